"""Each quota is met at synthesis: what is at the limit passes, what is above it has a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns

from constructs_lib import (
    CqrsFunction,
    CqrsFunctions,
    CqrsModule,
    CqrsMonitoring,
    CqrsTable,
    InvalidPropsError,
)
from constructs_lib.quotas.role_policies import QUOTA_CONTEXT, coming_policies
from constructs_lib.quotas.stack_size import MOST_RESOURCES, StackSize, check_stack_size
from constructs_lib.stack.names import check_names, check_stack_texts
from tests.constructs.conftest import new_app
from tests.constructs.functions import CODE, imported_function
from tests.constructs.monitored import dashboard_of

if TYPE_CHECKING:
    from collections.abc import Callable

#: Beside one variable called A: `{"A":""}`.
FRAME = 8


def function(stack: cdk.Stack, construct_id: str = "Worker", **props: Any) -> CqrsFunction:
    given = {"code": CODE, "handler": "index.handler", "python_runtime": lambda_.Runtime.PYTHON_3_13, **props}
    return CqrsFunction(stack, construct_id, **given)


def synthesis_of(stack: cdk.Stack) -> str:
    """What is said against the app of ``stack`` when it is synthesized."""
    with pytest.raises(RuntimeError) as refused:
        cdk.App.of(stack).synth()
    return str(refused.value)


def test_variables_may_take_4_kilobytes(stack: cdk.Stack) -> None:
    made = function(stack, environment={"A": "x" * (4096 - FRAME)})
    message = (
        r"the environment of Test/More/Function must have at most 4096 bytes, got 4097 in 1 variables, .* "
        r"the largest is A with .* put large values into a parameter"
    )
    with pytest.raises(InvalidPropsError, match=message):
        function(stack, "More", environment={"A": "x" * (4097 - FRAME)})
    # As the JSON text that Lambda measures.
    with pytest.raises(InvalidPropsError, match="got 4097 in"):
        function(stack, "Quoted", environment={"A": '"' + "x" * (4095 - FRAME)})
    made.function.add_environment("B", "")
    assert "the environment of Test/Worker/Function must have at most 4096 bytes, got 4103" in synthesis_of(
        stack
    )


def test_names_that_are_made_at_deployment_are_counted() -> None:
    stack = cdk.Stack(new_app(), "OrderManagementProduction")

    def service(name: str, *tables: CqrsTable) -> None:
        own = {"A": "x" * 3400}
        CqrsFunctions(
            stack, name, code=CODE, handler="index.x", app_name="shop", tables=tables, environment=own
        )

    names = ["order", "invoice", "parcel"]
    service(
        "Convention",
        *(CqrsTable(stack, name, table_name_prefix=f"dev-shop-{name}") for name in names),
    )
    two = [CqrsTable(stack, f"Two{name}", module_name=name) for name in names[:2]]
    service("Two", *two)
    made = [CqrsTable(stack, f"Made{name}", module_name=name) for name in names]
    with pytest.raises(
        InvalidPropsError, match="the environment of OrderManagementProduction/All/Api/Function"
    ):
        service("All", *made)


def test_whoever_has_many_modules_is_told_what_to_call_the_tables(stack: cdk.Stack) -> None:
    table = CqrsTable(stack, "Order")
    functions = CqrsFunctions(stack, "Functions", code=CODE, handler="index.x", app_name="shop")
    for number in range(40):
        functions.add_module(f"module{number}", table.module_settings)
    with pytest.raises(
        InvalidPropsError, match=r"is CQRS_MODULES with \d+; give the tables names that the func"
    ):
        functions.check_quotas()


def test_a_role_may_have_ten_managed_policies(stack: cdk.Stack) -> None:
    made = function(stack)
    # Four of 2,000 characters go into the policy of the role, beside its own, and three into each other.
    for number in range(34):
        add_rights(made.role, number)
    made.check_quotas()
    assert coming_policies(made.role) == 10
    template = new_template(stack)
    assert len([r for r in template.values() if r["Type"] == "AWS::IAM::ManagedPolicy"]) == 10


def test_one_policy_more_is_refused() -> None:
    stack = cdk.Stack(new_app(), "Test")
    made = function(stack)
    for number in range(35):
        add_rights(made.role, number)
    message = "Test/Worker/Role must have at most 10 managed policies, got 11: what it may do does not fit"
    with pytest.raises(InvalidPropsError, match=message):
        made.check_quotas()
    assert message in synthesis_of(stack)


def test_whoever_was_given_more_policies_says_so() -> None:
    app = cdk.App(context={QUOTA_CONTEXT: 11}, builtin_cloud_formation_validation=False)
    made = function(cdk.Stack(app, "Test"))
    for number in range(35):
        add_rights(made.role, number)
    made.check_quotas()
    made.role.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name("ReadOnlyAccess"))
    with pytest.raises(InvalidPropsError, match="at most 11 managed policies, got 12"):
        made.check_quotas()


def add_rights(role: iam.Role, number: int) -> None:
    action = f"dynamodb:Action{number:02d}"
    arn = f"arn:aws:dynamodb:eu-west-1:111111111111:table/{number:02d}"
    frame = len('"Effect": "Allow",{}') + len("Action") + len("Resource") + 10 + len(action) + 6
    role.add_to_policy(
        iam.PolicyStatement(actions=[action], resources=[arn + "x" * (2000 - frame - len(arn))])
    )


def new_template(stack: cdk.Stack) -> dict[str, Any]:
    found: dict[str, Any] = (
        cdk.App.of(stack).synth().get_stack_by_name(stack.stack_name).template["Resources"]
    )
    return found


def test_a_stack_may_have_500_resources_and_200_outputs() -> None:
    assert MOST_RESOURCES == 500
    app = cdk.App(context={"@aws-cdk/core:stackResourceLimit": 4})
    stack = cdk.Stack(app, "Test")
    nested = cdk.NestedStack(stack, "Nested")
    for number in range(10):
        cdk.CfnResource(nested, f"R{number}", type="A::B::C")
        cdk.CfnOutput(nested, f"O{number}", value="x")
    for number in range(2):
        cdk.CfnResource(stack, f"R{number}", type="A::B::C")
    for number in range(200):
        cdk.CfnOutput(stack, f"O{number}", value="x")

    def check(coming: int) -> None:
        check_stack_size(stack, coming=coming, way_out="split it", of_outputs="leave some out")

    assert len(StackSize.of(stack).resources) == 3
    check(coming=1)
    with pytest.raises(InvalidPropsError, match="Test must have at most 4 resources, got 5; split it"):
        check(coming=2)
    cdk.CfnOutput(stack, "OneMore", value="x")
    with pytest.raises(
        InvalidPropsError, match="Test must have at most 200 outputs, got 201; leave some out"
    ):
        check(coming=1)


def test_a_function_may_have_five_layers(stack: cdk.Stack) -> None:
    arn = "arn:aws:lambda:eu-west-1:111111111111:layer:x:1"
    layers = [lambda_.LayerVersion.from_layer_version_arn(stack, f"Layer{n}", arn) for n in range(6)]
    function(stack, layers=layers[:5])
    with pytest.raises(
        InvalidPropsError, match=r"layers must be at most 5, .* got 6: Test/Layer0, Test/Layer1"
    ):
        function(stack, "More", layers=layers)


def test_a_function_may_be_described_in_256_characters(stack: cdk.Stack) -> None:
    function(stack, description="ü" * 256)
    with pytest.raises(InvalidPropsError, match="description must have at most 256 characters, got 257; say"):
        function(stack, "More", description="x" * 257)


@pytest.mark.parametrize(
    ("fits", "too_much", "message"),
    [
        (
            lambda: check_stack_texts("x" * 1024, None),
            lambda: check_stack_texts("ü" * 513, None),
            "description must have at most 1024 bytes, got 1026; say the rest",
        ),
        (
            lambda: check_stack_texts(None, {f"k{number}": "v" for number in range(50)}),
            lambda: check_stack_texts(None, {f"k{number}": "v" for number in range(51)}),
            "tags must be at most 50, got 51; a resource of AWS takes no more",
        ),
        (
            lambda: check_stack_texts(None, {"k" * 128: "v" * 256}),
            lambda: check_stack_texts(None, {"k": "v" * 257}),
            r"tags\['k'\] must have at most 256 characters, got 257",
        ),
        (
            lambda: check_names("shop", "dev", [CqrsModule("m" * (255 - len("dev-shop--command")))]),
            lambda: check_names("shop", "dev", [CqrsModule("m" * (256 - len("dev-shop--command")))]),
            "at most 247 characters, as the names of tables have at most 255, got 248 with env_name 'dev'",
        ),
    ],
    ids=["description", "tags", "tag", "table names"],
)
def test_texts(fits: Callable[[], None], too_much: Callable[[], None], message: str) -> None:
    fits()
    with pytest.raises(InvalidPropsError, match=message):
        too_much()


def test_a_widget_shows_a_hundred_alarms(stack: cdk.Stack) -> None:
    worker = imported_function(stack, "worker")
    made = CqrsMonitoring(
        stack,
        "Monitoring",
        app_name="shop",
        alarm_topic=sns.Topic(stack, "Topic"),
        functions={f"f{number}": worker for number in range(51)},
    )
    widgets = [widget["properties"] for widget in dashboard_of(made) if widget["type"] == "alarm"]
    assert [(widget["title"], len(widget["alarms"])) for widget in widgets] == [
        ("Alarms (1 of 2)", 100),
        ("Alarms (2 of 2)", 2),
    ]
