"""Parts of another stack, account or Region are used without a dependency cycle, or it is said why not."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsApi,
    CqrsFunction,
    CqrsFunctions,
    CqrsModule,
    CqrsStack,
    CqrsTable,
    FailedRecords,
    Healing,
    Identity,
    InvalidPropsError,
    MasterDataTable,
    Notifications,
    Part,
    RealtimeApi,
    Sequences,
    SessionTable,
    StreamProcessing,
)
from constructs_lib.functions.function_elsewhere import timeout_of
from constructs_lib.functions.secret_grants import allow_secret
from constructs_lib.props.stack_order import must_wait
from tests.constructs.conftest import new_app, warnings_of
from tests.constructs.functions import CODE, imported_function, new_function

if TYPE_CHECKING:
    from collections.abc import Callable

    Case = Callable[[cdk.Stack, cdk.Stack], object]

HERE = cdk.Environment(account="111111111111", region="eu-west-1")
OTHER_REGION = cdk.Environment(account="111111111111", region="us-east-1")
OTHER_ACCOUNT = cdk.Environment(account="222222222222", region="eu-west-1")
KINDS = ("api", "stream", "worker", "notifier", "operator")


def functions(stack: cdk.Stack, **brought: lambda_.IFunction) -> CqrsFunctions:
    """One of its own for all that are not brought: few resources are synthesized fast."""
    mine = new_function(stack, "Mine", environment={"CQRS_MODULES": "{}"})
    return CqrsFunctions(
        stack,
        "Functions",
        code=CODE,
        handler="index.handler",
        app_name=service_of(stack),
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        **{**dict.fromkeys(KINDS, mine), **brought},
    )


def key(stack: cdk.Stack) -> kms.Key:
    return kms.Key(stack, "Key")


def service_of(stack: cdk.Stack) -> str:
    """Each pair of stacks is a service of its own, so that no two make tables of one name."""
    return stack.node.id.removesuffix("Here").removesuffix("There").lower()


def tables(stack: cdk.Stack, **props: Any) -> CqrsTable:
    prefix = f"dev-{service_of(stack)}-order"
    return CqrsTable(stack, "Order", table_name_prefix=prefix, **props)


def notifications(stack: cdk.Stack, **props: Any) -> Notifications:
    return Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"], **props)


def users(stack: cdk.Stack) -> Identity:
    return Identity(stack, "Identity")


def connected(part: Callable[[cdk.Stack], Part]) -> Case:
    """A part of the other stack, used by functions of this one."""
    return lambda there, here: part(there).connect(functions(here))


def service(there: cdk.Stack, here: cdk.Stack, *kinds: str) -> CqrsFunctions:
    """All parts, and functions of the other stack in the place of ``kinds``."""
    made = functions(
        here, **{kind: new_function(there, kind, timeout=cdk.Duration.seconds(20)) for kind in kinds}
    )
    orders, told, people = tables(here), notifications(here), users(here)
    parts: list[Part] = [
        orders,
        told,
        people,
        SessionTable(here, "Sessions"),
        Sequences(here, "Sequences"),
        MasterDataTable(here, "MasterData"),
        AttributesBucket(here, "Attributes", encryption_key=key(here)),
        FailedRecords(here, "FailedRecords"),
        Healing(here, "Healing"),
        CommandWorkflow(here, "Workflow", worker=made.worker),
    ]
    for part in parts:
        part.connect(made)
    told.add_consumer(made.notifier)
    StreamProcessing(here, "Stream", table=orders, function=made.stream)
    CqrsApi(here, "Api", function=made.api, identity=people)
    return made


#: What works between two stacks of one account and Region, and is refused between others.
SAME_ENVIRONMENT: dict[str, Case] = {
    "tables": connected(lambda there: tables(there, encryption_key=key(there))),
    "sessions": connected(lambda there: SessionTable(there, "Sessions")),
    "settings": connected(lambda there: MasterDataTable(there, "MasterData")),
    "sequences": connected(lambda there: Sequences(there, "Sequences")),
    "attributes": connected(lambda there: AttributesBucket(there, "Bucket", encryption_key=key(there))),
    "failed records": connected(lambda there: FailedRecords(there, "FailedRecords")),
    "notifications": connected(notifications),
    "workflow": connected(lambda there: CommandWorkflow(there, "Workflow", worker=new_function(there))),
    "healing": connected(lambda there: Healing(there, "Healing")),
    "a bucket": lambda there, here: AttributesBucket(here, "A", bucket=s3.Bucket(there, "B")).connect(
        functions(here)
    ),
    "a topic": lambda there, here: notifications(
        here, topic=sns.Topic(there, "Topic", master_key=key(there))
    ).connect(functions(here)),
    "an alarm topic": lambda there, here: Notifications(
        here, "Notifications", alarm_topic=sns.Topic(there, "Topic")
    ).connect(functions(here)),
    "key of tables": lambda there, here: tables(here, encryption_key=key(there)).connect(functions(here)),
    "key of a bucket": lambda there, here: AttributesBucket(here, "A", encryption_key=key(there)).connect(
        functions(here)
    ),
    "key of topics": lambda there, here: notifications(here, encryption_key=key(there)).connect(
        functions(here)
    ),
    "consumer of a queue": lambda there, here: notifications(there).add_consumer(new_function(here)),
    "stream of a table": lambda there, here: StreamProcessing(
        here, "Stream", table=tables(there), function=new_function(here)
    ),
    "stream to a function": lambda there, here: StreamProcessing(
        here, "Stream", table=tables(here), function=new_function(there)
    ),
    "bucket of a stream": lambda there, here: StreamProcessing(
        here,
        "Stream",
        table=tables(here),
        function=new_function(here),
        on_failure_bucket=s3.Bucket(there, "Bucket", encryption_key=key(there)),
    ),
    "worker": lambda there, here: CommandWorkflow(here, "Workflow", worker=new_function(there)).connect(
        functions(here)
    ),
    "function of an API": lambda there, here: CqrsApi(
        here, "Api", function=new_function(there), identity=users(here)
    ),
    "an API": lambda there, here: CqrsApi(
        here,
        "Api",
        function=new_function(here),
        identity=users(here),
        http_api=apigatewayv2.HttpApi(there, "HttpApi"),
    ),
    "a function and a key": lambda there, here: tables(here, encryption_key=key(there)).connect(
        functions(here, worker=new_function(there))
    ),
    "a secret": lambda there, here: functions(here).add_secret(
        "DATABASE", secretsmanager.Secret(there, "Secret", encryption_key=key(there))
    ),
    "all functions": lambda there, here: service(there, here, *KINDS),
}
#: What works wherever the other stack is.
ANYWHERE: dict[str, Case] = {
    "users": connected(users),
    "users of an API": lambda there, here: CqrsApi(
        here, "Api", function=new_function(here), identity=users(there)
    ),
}


def pairs(app: cdk.App, name: str, env: cdk.Environment | None) -> tuple[cdk.Stack, cdk.Stack]:
    name = name.title().replace(" ", "")
    return cdk.Stack(app, f"{name}There", env=env), cdk.Stack(app, f"{name}Here", env=HERE)


def test_what_is_of_another_stack_is_used_without_a_cycle() -> None:
    app = new_app(flags=False)
    for name, case in {**SAME_ENVIRONMENT, **ANYWHERE}.items():
        case(*pairs(app, name, HERE))
    app.synth()  # a cycle is found here


def test_users_may_be_in_another_account_or_region() -> None:
    app = new_app()
    for where, env in (("region", OTHER_REGION), ("account", OTHER_ACCOUNT)):
        for name, case in ANYWHERE.items():
            case(*pairs(app, f"{name} {where}", env))
    app.synth()


FUNCTIONS: dict[str, Case] = {
    f"function {kind}": lambda there, here, kind=kind: functions(here, **{kind: new_function(there)})
    for kind in KINDS
}


ISOLATED = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)


def vpc(base: cdk.Stack) -> ec2.Vpc:
    isolated = ec2.SubnetConfiguration(name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    return ec2.Vpc(base, "Vpc", max_azs=1, subnet_configuration=[isolated])


def role(base: cdk.Stack) -> iam.Role:
    return iam.Role(base, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def near_base(base: cdk.Stack, here: cdk.Stack) -> lambda_.Function:
    """A function of ``here`` that waits for ``base``."""
    return new_function(here, "Waits", vpc=vpc(base), vpc_subnets=ISOLATED)


def imported(base: cdk.Stack) -> lambda_.IFunction:
    """A function that exists, whose name the other stack knows."""
    parameter = cdk.CfnParameter(base, "Name", default="worker")
    arn = cdk.Stack.of(base).format_arn(
        service="lambda",
        resource="function",
        resource_name=parameter.value_as_string,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    known = iam.Role.from_role_name(base, "Known", "worker")
    return lambda_.Function.from_function_attributes(
        base, "Imported", function_arn=arn, role=known, same_environment=True
    )


def everywhere(here: cdk.Stack, function: lambda_.IFunction) -> None:
    """Connect a function of one's own to each part, and have each call it."""
    orders, told = tables(here), notifications(here, encryption_key=key(here))
    workflow = CommandWorkflow(here, "Workflow", worker=new_function(here, "Worker"))
    parts: list[Any] = [
        orders,
        told,
        workflow,
        users(here),
        SessionTable(here, "Sessions"),
        Sequences(here, "Sequences"),
        MasterDataTable(here, "MasterData"),
        AttributesBucket(here, "Attributes"),
        FailedRecords(here, "FailedRecords"),
        Healing(here, "Healing"),
    ]
    for part in parts:
        part.connect(function)
    told.add_consumer(function)
    StreamProcessing(here, "Stream", table=orders, function=function)


def few(here: cdk.Stack, function: lambda_.IFunction) -> None:
    orders, told = tables(here), notifications(here, encryption_key=key(here))
    for part in (orders, told, users(here)):
        part.connect(function)
    told.add_consumer(function)


def service_of_role(base: cdk.Stack, here: cdk.Stack) -> None:
    mine = new_function(here, "Own", role=role(base))
    made = functions(here, worker=mine, operator=mine)
    orders, told = tables(here), notifications(here)
    for part in (orders, told):
        part.connect(made)
    CommandWorkflow(here, "Workflow", worker=made.worker)


def started(here: cdk.Stack, worker: lambda_.Function) -> None:
    CommandWorkflow(here, "Workflow", worker=worker).connect(worker)


def with_vpc_and_own(base: cdk.Stack, here: cdk.Stack) -> None:
    props: dict[str, Any] = {"vpc": vpc(base), "vpc_subnets": ISOLATED}
    CqrsFunction(here, "Inside", code=CODE, handler="index.handler", **props)
    few(here, new_function(base, "Own"))


def told_to_wait(base: cdk.Stack, here: cdk.Stack) -> None:
    near_base(base, here)
    must_wait(here, base)
    few(here, new_function(base, "Own"))


#: What is of one stack, and this one waits for it: rights in that one would make it wait for this one.
WAITS: dict[str, Case] = {
    "own with a vpc": with_vpc_and_own,
    "own told to wait": told_to_wait,
    "own imported": lambda base, here: everywhere(here, imported(base)),
    "own with a role": lambda base, here: few(here, new_function(here, "Own", role=role(base))),
    "brought imported": lambda base, here: tables(here).connect(functions(here, worker=imported(base))),
    "brought with a role": service_of_role,
    "worker started": lambda base, here: started(here, new_function(base)),
}


def test_rights_are_where_they_make_no_circle() -> None:
    app, circles = new_app(flags=False), []
    for name, case in WAITS.items():
        there, here = pairs(app, name, HERE)
        case(there, here)
        circles.append((there, here))
    app.synth()
    assert [there.dependencies for there, _ in circles] == [[] for _ in circles]
    of_role = next(here for _, here in circles if here.node.id == "BroughtWithARoleHere")
    found = resources(of_role, "AWS::IAM::Policy").values()
    (policy,) = (policy for policy in found if "ImportValue" in str(policy["Roles"]))
    assert "sns:Publish" in str(policy)
    told = [f["Environment"]["Variables"] for f in resources(of_role, "AWS::Lambda::Function").values()]
    assert any({"SNS_TOPIC_ARN", "NOTIFICATION_QUEUE_URL"} < set(names) for names in told)
    assert "cqrs:functionOfAnotherStack" not in warnings_of(of_role)


def test_a_circle_that_shows_at_synthesis_alone_is_said_with_the_way_out() -> None:
    app = new_app(flags=False)
    base, here = pairs(app, "shop", HERE)
    middle = cdk.Stack(app, "Middle", env=HERE)
    tables(here).connect(new_function(base, "Own"))
    topic = sns.Topic(middle, "Topic", display_name=sns.Topic(base, "Topic").topic_name)
    new_function(here, "Near", environment={"TOPIC": topic.topic_arn})
    said = (
        "function must be of a stack that ShopHere does not wait for, got ShopThere/Own, which uses "
        "ShopHere/Order: ShopThere would wait for ShopHere, which refers to ShopThere; make ShopHere depend"
    )
    with pytest.raises(RuntimeError, match=said):
        app.synth()


@pytest.mark.parametrize(
    ("env", "shown", "cases"),
    [
        (OTHER_REGION, "111111111111/us-east-1", {**SAME_ENVIRONMENT, **FUNCTIONS}),
        (OTHER_ACCOUNT, "222222222222/eu-west-1", FUNCTIONS),
        (None, "unknown/unknown", FUNCTIONS),
    ],
    ids=["other region", "other account", "unknown"],
)
def test_what_is_of_another_account_or_region_is_refused(
    env: cdk.Environment | None, shown: str, cases: dict[str, Case]
) -> None:
    app = new_app()
    for name, case in cases.items():
        there, here = pairs(app, name, env)
        said = f"must be (in|of) .*Here, .* got .*There/.* in {shown}; ."
        with pytest.raises(InvalidPropsError, match=said):
            case(there, here)


OWN: dict[str, Callable[[cdk.Stack], Any]] = {
    "command_table": tables,
    "table": lambda there: SessionTable(there, "Sessions"),
    "table of settings": lambda there: MasterDataTable(there, "MasterData"),
    "table of sequences": lambda there: Sequences(there, "Sequences"),
    "bucket": lambda there: AttributesBucket(there, "Attributes"),
    "bucket of records": lambda there: FailedRecords(there, "FailedRecords"),
    "topic": notifications,
    "state_machine": lambda there: CommandWorkflow(there, "Workflow", worker=new_function(there, "Worker")),
    "rule": lambda there: Healing(there, "Healing"),
}


def test_a_function_of_ones_own_is_of_the_parts_account_and_region() -> None:
    app = new_app()
    there, here = pairs(app, "shop", OTHER_REGION)
    mine = new_function(here, "Mine")
    for name, part in OWN.items():
        said = (
            f"{name.split(' ')[0]} must be in .* of ShopHere, .*, got ShopThere/.* in 111111111111/us-east-1"
        )
        with pytest.raises(InvalidPropsError, match=said):
            part(there).connect(mine)
    users(there).connect(mine)  # their tokens are checked by issuer and client
    unknown = new_function(cdk.Stack(app, "Unknown"))
    with pytest.raises(InvalidPropsError, match="user_pool of another account or Region needs stacks that"):
        users(cdk.Stack(app, "Users", env=HERE)).connect(unknown)
    realtime = RealtimeApi(there, "Realtime", identity=Identity(there, "Clients"))
    realtime.connect(mine)
    with pytest.raises(InvalidPropsError, match=r"event_api must be .* got ShopThere/Realtime/Api"):
        realtime.connect(new_function(cdk.Stack(app, "Far", env=OTHER_ACCOUNT)))


def resources(stack: cdk.Stack, kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: found["Properties"] for name, found in Template.from_stack(stack).find_resources(kind).items()
    }


def test_a_function_of_another_stack_gets_its_rights_and_calls_from_this_one() -> None:
    app = new_app(flags=False)
    there, here = pairs(app, "shop", HERE)
    role = iam.Role(there, "Mine", path="/app/", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    mine = new_function(there, role=role, environment={"SNS_TOPIC_ARN": "mine", "APP_NAME": "other"})
    made = functions(here, worker=mine, operator=mine)
    for part in (tables(here), notifications(here), SessionTable(here, "Sessions")):
        part.connect(made)
    CommandWorkflow(here, "Workflow", worker=made.worker)

    assert made.operator is made.worker
    assert there.dependencies == []
    assert resources(there, "AWS::IAM::Policy") == {}
    ours = [p for p in resources(here, "AWS::IAM::Policy").values() if "Fn::ImportValue" in str(p["Roles"])]
    assert len(ours) == 1
    assert "sns:Publish" in str(ours)
    assert "dynamodb:UpdateItem" in str(ours)
    # What is known before anything is deployed is set, unless the function sets it itself.
    (told,) = (
        made["Environment"]["Variables"] for made in resources(there, "AWS::Lambda::Function").values()
    )
    assert told == {
        "SNS_TOPIC_ARN": "mine",
        "APP_NAME": "other",
        "NODE_ENV": "dev",
        "CQRS_MODULES": '{"order":{}}',
    }
    # The rest is an output, as a person has to set it.
    outputs = Template.from_stack(here).to_json()["Outputs"]
    (left,) = (output["Value"] for name, output in outputs.items() if "Variables" in name)
    named = ("SNS_ALARM_TOPIC_ARN", "NOTIFICATION_QUEUE_URL", "DEAD_LETTER_QUEUE_URL")
    assert [name for name in named if name in str(left)] == list(named)
    assert "SNS_TOPIC_ARN" not in str(left).replace("SNS_ALARM", "")
    assert warnings_of(here).count("cqrs:functionOfAnotherStack") == 1


def test_mappings_wait_for_the_rights_of_a_function_that_is_there_before_them() -> None:
    """Lambda refuses a mapping whose function may not read yet, and the deployment is rolled back."""
    app = new_app(flags=False)
    there, here = pairs(app, "shop", HERE)
    imported = imported_function(here, "mine")
    made = functions(here, stream=new_function(there, "Stream"), notifier=new_function(there, "Notifier"))
    orders, told = tables(here), notifications(here, encryption_key=key(here))
    StreamProcessing(here, "Elsewhere", table=orders, function=made.stream)
    StreamProcessing(here, "Imported", table=CqrsTable(here, "Bills"), function=imported)
    told.add_consumer(made.notifier)
    Notifications(here, "Others", alarm_emails=["on-call@example.com"]).add_consumer(imported)
    template = Template.from_stack(here)
    policies = template.find_resources("AWS::IAM::Policy")
    mappings = template.find_resources("AWS::Lambda::EventSourceMapping")
    assert len(mappings) == 4
    for mapping in mappings.values():
        (policy,) = (name for name in mapping["DependsOn"] if name in policies)
        stream = json.dumps(mapping["Properties"]["EventSourceArn"])
        assert stream in json.dumps(policies[policy])


def test_the_timeout_of_a_function_of_another_stack_is_known() -> None:
    app = new_app()
    there, here = pairs(app, "shop", HERE)
    made = functions(here, worker=new_function(there, timeout=cdk.Duration.minutes(3)))
    workflow = CommandWorkflow(here, "Workflow", worker=made.worker)
    assert timeout_of(made.worker) is not None
    assert '"TimeoutSeconds":185' in json.dumps(resources(here, "AWS::StepFunctions::StateMachine")).replace(
        '\\"', '"'
    )
    assert workflow.state_machine is not None


def test_the_limits_of_a_function_of_another_stack_are_looked_at() -> None:
    app = new_app()
    there, here = pairs(app, "shop", HERE)

    def new(name: str, reserved: int, seconds: int) -> lambda_.Function:
        return new_function(
            there,
            name,
            reserved_concurrent_executions=reserved,
            timeout=cdk.Duration.seconds(seconds),
        )

    made = functions(
        here,
        api=new("Api", 5, 90),
        stream=new("Stream", 3, 20),
        worker=new("Worker", 4, 20),
        notifier=new("Notifier", 1, 20),
    )
    orders = tables(here)
    CqrsApi(here, "Api", function=made.api, identity=users(here))
    StreamProcessing(here, "Stream", table=orders, function=made.stream, parallelization_factor=4)
    CommandWorkflow(here, "Workflow", worker=made.worker)
    told = notifications(here)
    with pytest.raises(InvalidPropsError, match=r"reserved_concurrency of ShopThere/Notifier .* got 1"):
        told.add_consumer(made.notifier)
    found = warnings_of(there)
    for warning in ("cqrs:outlivesGateway", "cqrs:starvedStreams", "cqrs:fewReserved"):
        assert found.count(warning) == 1, warning


def policies_of_imported_roles(stack: cdk.Stack) -> list[dict[str, Any]]:
    found = resources(stack, "AWS::IAM::Policy").values()
    return [policy for policy in found if "MineServiceRole" not in str(policy["Roles"])]


def test_two_services_use_one_function_without_overwriting_each_others_policy() -> None:
    app = new_app(flags=False)
    says = {"APP_NAME": "ab", "NODE_ENV": "dev"}
    shared = new_function(cdk.Stack(app, "There", env=HERE), environment=says)
    stacks = [cdk.Stack(app, name, env=HERE) for name in ("A", "B")]
    for here in stacks:
        tables(here, module_name=f"order-{here.node.id.lower()}").connect(functions(here, worker=shared))
    names = [policy["PolicyName"] for here in stacks for policy in policies_of_imported_roles(here)]
    assert len(set(names)) == len(names) == 2


def test_a_function_of_another_stack_works_for_one_service() -> None:
    app = new_app()
    there = cdk.Stack(app, "There", env=HERE)
    shared = new_function(there)
    functions(cdk.Stack(app, "Shop", env=HERE), worker=shared)
    with pytest.raises(InvalidPropsError, match=r"APP_NAME of There/Function must be .* 'crm' beside 'shop'"):
        functions(cdk.Stack(app, "Crm", env=HERE), worker=shared)
    says = new_function(there, "Says", environment={"APP_NAME": "mine", "NODE_ENV": "dev"})
    shop, crm = (cdk.Stack(app, name, env=HERE) for name in ("ShopHere", "CrmHere"))
    tables(shop).connect(functions(shop, worker=says))
    with pytest.raises(InvalidPropsError, match="modules of There/Says must have different names"):
        tables(crm).connect(functions(crm, worker=says))


def test_a_role_that_must_not_be_changed_stays_as_it_is() -> None:
    app = new_app(flags=False)
    there, here = pairs(app, "shop", HERE)
    arn = "arn:aws:iam::111111111111:role/app/"
    fixed = iam.Role.from_role_arn(there, "Fixed", f"{arn}fixed", mutable=False)
    changed = iam.Role.from_role_arn(there, "Changed", f"{arn}changed")
    tables(here).connect(
        functions(
            here,
            worker=new_function(there, "Worker", role=fixed),
            operator=new_function(there, "Operator", role=changed),
        )
    )
    assert [policy["Roles"] for policy in policies_of_imported_roles(here)] == [["changed"]]
    assert resources(there, "AWS::IAM::Policy") == {}


def test_an_alias_of_another_stack_is_refused() -> None:
    there, here = pairs(new_app(), "shop", HERE)
    alias = new_function(there).add_alias("live")
    with pytest.raises(
        InvalidPropsError, match=r"worker must be a function .* got the version or alias ShopT"
    ):
        functions(here, worker=alias)
    another = cdk.Stack(there.node.root, "Another", env=HERE)  # type: ignore[arg-type]
    mine = new_function(another, "Own").add_alias("live")
    assert functions(another, worker=mine).worker is mine


def test_a_nested_stack_uses_a_function_of_its_parent_without_a_circle() -> None:
    app = new_app(flags=False)
    stack = cdk.Stack(app, "Shop", env=HERE)
    nested = cdk.NestedStack(stack, "Nested")
    function = new_function(stack)
    orders = tables(nested)
    orders.grants.publish(function)
    StreamProcessing(nested, "Stream", table=orders, function=function)
    (parameters,) = (
        found.get("Parameters", {}) for found in resources(stack, "AWS::CloudFormation::Stack").values()
    )
    assert parameters == {}  # the nested stack waits for nothing of the parent, which waits for it
    assert len(resources(stack, "AWS::Lambda::EventSourceMapping")) == 1


def test_a_secret_that_exists_is_read_with_its_key_by_every_name_it_may_have() -> None:
    app = new_app()
    there, here = pairs(app, "shop", HERE)
    arn = "arn:aws:{}:eu-west-1:111111111111:{}"
    a_key = arn.format("kms", "key/12345678-1234-1234-1234-123456789012")
    partly, fully = (arn.format("secretsmanager", f"secret:{name}") for name in ("db", "api-aBcDeF"))
    mine = new_function(here)
    for number, scope in enumerate((there, here)):
        named = secretsmanager.Secret.from_secret_attributes
        with_key = {"encryption_key": kms.Key.from_key_arn(scope, "Key", f"{a_key[:-1]}{number}")}
        allow_secret(mine, named(scope, "Db", secret_partial_arn=f"{partly}{number}", **with_key))
        allow_secret(mine, named(scope, "Api", secret_complete_arn=fully, **with_key))
    policy = json.dumps(resources(here, "AWS::IAM::Policy"))
    for readable in (f"{partly}0-??????", f"{partly}1-??????", fully, f"{a_key[:-1]}0", f"{a_key[:-1]}1"):
        assert f'"{readable}"' in policy
    assert "kms:Decrypt" in policy
    assert '"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"' in policy


def test_queues_of_another_stack_are_refused_for_topics_of_this_one() -> None:
    there, here = pairs(new_app(), "shop", HERE)
    queue, topic = sqs.Queue(there, "Queue"), sns.Topic(there, "Topic")
    for number, brought in enumerate(
        ({"queue": queue}, {"dead_letter_queue": queue}, {"dead_letter_queue": queue, "topic": topic})
    ):
        name = next(iter(brought))
        with pytest.raises(InvalidPropsError, match=f"{name} must be of ShopHere, whose topics send to it"):
            Notifications(here, f"N{number}", **brought)  # type: ignore[arg-type]
    Notifications(here, "All", topic=topic, alarm_topic=topic, queue=queue, dead_letter_queue=queue)


def test_layers_are_of_the_functions_region() -> None:
    there, here = pairs(new_app(), "shop", HERE)
    for number, region in enumerate(("eu-west-1", "us-east-1")):
        arn = f"arn:aws:lambda:{region}:111111111111:layer:runtime:1"
        layer = lambda_.LayerVersion.from_layer_version_arn(there, f"Layer{number}", arn)
        said = "layers must be of .* eu-west-1, got ShopThere/Layer1 of us-east-1"
        with nullcontext() if number == 0 else pytest.raises(InvalidPropsError, match=said):
            CqrsFunction(here, f"F{number}", code=CODE, handler="index.handler", layers=[layer])


def test_what_is_of_another_stage_is_refused() -> None:
    app = new_app()
    outside = cdk.Stack(app, "Outside", env=HERE)
    inside = cdk.Stack(cdk.Stage(app, "Prod", env=HERE), "Inside")
    made = functions(inside)
    for name, part in {"table": SessionTable(outside, "Sessions"), "user_pool": users(outside)}.items():
        with pytest.raises(InvalidPropsError, match=f"{name} must be of the same app and stage as Prod/Insi"):
            part.connect(made)
    another = cdk.Stack(cdk.Stage(app, "Dev", env=HERE), "Inside")
    with pytest.raises(InvalidPropsError, match="worker must be of the same app and stage as Dev/Inside"):
        functions(another, worker=new_function(outside))


def test_functions_of_several_stacks_are_told_apart() -> None:
    """Their resources may have the same id in each: with ``tenant_sessions`` api must be another one."""
    app = new_app()
    here = cdk.Stack(app, "Here", env=HERE)
    first, second = (new_function(cdk.Stack(app, name, env=HERE)) for name in ("A", "B"))
    props: dict[str, Any] = {"code": CODE, "handler": "index.handler", "app_name": "shop", "api": first}
    CqrsFunctions(here, "Functions", **props, worker=second, tenant_sessions=True)
    with pytest.raises(InvalidPropsError, match="api must be a function with a role of its own"):
        CqrsFunctions(here, "Others", **props, worker=first, tenant_sessions=True)


def test_an_imported_function_is_taken_where_it_says_it_is() -> None:
    _, here = pairs(new_app(), "shop", HERE)
    arn = "arn:aws:lambda:{}:function:worker"
    near = lambda_.Function.from_function_attributes(
        here,
        "Near",
        function_arn=arn.format("eu-west-1:111111111111"),
        role=iam.Role.from_role_name(here, "Role", "worker"),
    )
    assert functions(here, worker=near).worker is near
    far = lambda_.Function.from_function_arn(here, "Far", arn.format("eu-central-1:111111111111"))
    with pytest.raises(InvalidPropsError, match="worker must be in the account and Region of ShopHere2"):
        functions(cdk.Stack(here.node.root, "ShopHere2", env=HERE), worker=far)  # type: ignore[arg-type]


def test_a_service_shares_the_notifications_of_another_ones_stack() -> None:
    app = new_app()
    layer = lambda_.LayerVersion.from_layer_version_arn(
        cdk.Stack(app, "Layers"), "Layer", "arn:aws:lambda:eu-west-1:111111111111:layer:l:1"
    )

    def shop(name: str, **props: Any) -> CqrsStack:
        return CqrsStack(
            app,
            name,
            app_name=name.lower(),
            modules=[CqrsModule("order")],
            code=CODE,
            handler="index.handler",
            runtime_layer=layer,
            monitoring=False,
            heal_every=None,
            check_code=False,
            **props,
        )

    def services(stack: CqrsStack) -> list[Any]:
        return [
            filter_policy["service"]
            for child in stack.notifications.node.find_all()
            if isinstance(child, sns.CfnSubscription)
            if "service" in (filter_policy := stack.resolve(child.filter_policy) or {})
        ]

    first = shop("First")
    assert services(first) == []  # as before: nothing in its template changes until there is a second one
    second = shop("Second", notifications=first.notifications)
    assert second.notifications.topic is first.notifications.topic
    assert second.notifications.queue.node.path == "Second/Notifications/Queue"
    assert services(first) == [["dev-first", {"exists": False}]]
    assert services(second) == [["dev-second"]]
