from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from constructs import Construct

import constructs_lib
from constructs_lib import InvalidPropsError
from constructs_lib.props.strict_props import strict_dataclass, strict_props

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONSTRUCTS = {
    name: item
    for name in constructs_lib.__all__
    if inspect.isclass(item := getattr(constructs_lib, name)) and issubclass(item, Construct)
}
TYPOS = {
    "AttributesBucket": ("bukket", "bucket"),
    "CodeCheck": ("function", "functions"),
    "CommandWorkflow": ("time_out", "timeout"),
    "CqrsApi": ("cors_origin", "cors_origins"),
    "CqrsFunction": ("memory_sise", "memory_size"),
    "CqrsFunctions": ("read_your_write", "read_your_writes"),
    "CqrsMonitoring": ("threshold", "thresholds"),
    "CqrsStack": ("module", "modules"),
    "CqrsTable": ("datasync", "data_sync"),
    "DependenciesLayer": ("requirement", "requirements"),
    "EventProcessing": ("batchsize", "batch_size"),
    "EventStoreTable": ("pullindex", "pull_index"),
    "FailedRecords": ("bukket", "bucket"),
    "Healing": ("heal_evry", "heal_every"),
    "Identity": ("selfsign_up", "self_sign_up"),
    "MasterDataTable": ("tablename", "table_name"),
    "Notifications": ("alarm_email", "alarm_emails"),
    "RealtimeApi": ("name_space", "namespace"),
    "RuntimeLayer": ("pin_boto", "pin_boto3"),
    "Sequences": ("tablename", "table_name"),
    "SessionTable": ("tablename", "table_name"),
    "StreamProcessing": ("batchsize", "batch_size"),
    "TenantSessions": ("common_tenant_code", "common_tenant_codes"),
}


def test_every_construct_has_its_typo_below() -> None:
    assert set(CONSTRUCTS) == set(TYPOS)


@pytest.mark.parametrize("name", sorted(TYPOS))
def test_a_typo_in_a_property_is_explained(stack: cdk.Stack, name: str) -> None:
    typo, meant = TYPOS[name]
    with pytest.raises(InvalidPropsError) as caught:
        CONSTRUCTS[name](stack, "Construct", **{typo: 7})
    assert str(caught.value) == f"{name} has no property {typo!r} (got 7); did you mean {meant!r}?"


@pytest.mark.parametrize(
    "name",
    ["AlarmThresholds", "CqrsModule", "DataAccess", "FunctionDefaults", "FunctionOptions", "RetryPolicy"],
)
def test_option_groups_explain_unknown_properties_too(name: str) -> None:
    with pytest.raises(InvalidPropsError, match=f"{name} has no property 'zzz' \\(got 'x'\\); it has"):
        getattr(constructs_lib, name)(zzz="x")


def test_the_signature_stays_visible() -> None:
    class Shop:
        @strict_props
        def __init__(self, scope: object, *, door: str = "closed") -> None:
            """Say what the shop is."""
            self.scope = scope
            self.door = door

    assert str(inspect.signature(Shop)) == "(scope: 'object', *, door: 'str' = 'closed') -> 'None'"
    assert Shop.__init__.__doc__ == "Say what the shop is."
    assert Shop(None, door="open").door == "open"


def test_long_values_are_cut() -> None:
    @strict_dataclass
    @dataclass(frozen=True)
    class Options:
        size: int = 1

    with pytest.raises(InvalidPropsError) as caught:
        Options(length="x" * 1000)  # type: ignore[call-arg]
    assert len(str(caught.value)) < 200


def test_a_missing_property_is_pythons_own_error(stack: cdk.Stack) -> None:
    incomplete: Any = constructs_lib.CqrsApi
    with pytest.raises(TypeError, match="function"):
        incomplete(stack, "Api")


# Values of a wrong type

PUBLIC = {
    name: item
    for name in constructs_lib.__all__
    if inspect.isclass(item := getattr(constructs_lib, name)) and hasattr(item.__init__, "__wrapped__")
}
PROPS = {
    f"{owner}.{prop.name}": (owner, prop.name, str(prop.annotation))
    for owner, item in PUBLIC.items()
    for prop in list(inspect.signature(item.__init__).parameters.values())[1:]
}
#: What a property of a type must not be, by the beginning of the type's name.
WRONG: dict[str, list[Any]] = {
    "Sequence": ["common", b"common", 5, None, {"a": 1}, {"a"}, iter(["a"]), True],
    "Sequence[str]": ["common", [1], [None], [["a"]], ("a", 2)],
    "Sequence[CqrsTable]": [["order"], [None]],
    "tuple": ["common", 5],
    "Mapping": ["a=b", [("a", "b")], 5],
    "Mapping[str, str]": [{"A": 1}, {"A": None}, {1: "a"}],
    "Duration": [5, "5m", True, 0.5, timedelta(minutes=5)],
    "bool": ["no", 0, 1, []],
    "int": ["5", 0.5, True, cdk.Duration.minutes(5)],
    "float": ["5", True],
    "str": [5, ["a"], b"a", Path("a")],
    "Construct": ["stack", 5],
    "CqrsTable": ["order", 5, ["order"]],
    "RemovalPolicy": ["RETAIN", True],
    "Processing": [5, True, ["inline"]],
    "lambda_.IFunction": ["arn:aws:lambda:eu-west-1:111111111111:function:api"],
    "lambda_.Runtime": ["python3.13"],
    "s3.IBucket": ["my-bucket"],
    "kms.IKey": ["alias/mine", True],
}


PLAIN: dict[str, type] = {"str": str, "bool": bool, "Path": Path, "None": type(None)}


def cases() -> Iterator[Any]:
    """Each property of a type that has wrong values above, with each of these that it may not be."""
    for where, (owner, prop, annotation) in PROPS.items():
        parts = annotation.split(" | ")
        kinds = [kind for kind in WRONG for part in parts if part == kind or part.startswith(f"{kind}[")]
        for kind in kinds:
            for number, value in enumerate(WRONG[kind]):
                if not any(isinstance(value, PLAIN.get(part, ())) for part in parts):
                    yield pytest.param(owner, prop, value, id=f"{where}-{kind}-{number}")


@pytest.mark.parametrize(("owner", "prop", "value"), list(cases()))
def test_a_value_of_a_wrong_type_is_refused_by_name(owner: str, prop: str, value: Any) -> None:
    with pytest.raises(InvalidPropsError, match=rf"^{prop}(\[.+\]| has a key that)? must be "):
        PUBLIC[owner](**{prop: value})


def test_every_list_of_texts_refuses_a_text() -> None:
    """Each of them, whatever becomes of the table above."""
    lists = [where for where, (_, _, annotation) in PROPS.items() if "Sequence[str]" in annotation]
    assert "TenantSessions.common_tenant_codes" in lists
    assert len(lists) > 5
    for where in lists:
        owner, prop, _ = PROPS[where]
        with pytest.raises(
            InvalidPropsError, match=rf"^{prop} must be a list, got 'common'; write \['common'\]$"
        ):
            PUBLIC[owner](**{prop: "common"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: constructs_lib.FunctionOptions(timeout=5),
            "timeout must be a Duration, got 5; say of what: Duration.seconds(5), Duration.minutes(5)",
        ),
        (lambda: constructs_lib.CqrsModule("a", data_sync="no"), "data_sync must be True or False, got 'no'"),
        (lambda: constructs_lib.CqrsModule(5), "name must be a text, got 5"),
        (
            lambda: constructs_lib.FunctionDefaults(environment={"A": 1}),
            "environment['A'] must be a text, got 1",
        ),
        (lambda: constructs_lib.CqrsStack("app", "Shop"), "scope must be a Construct, got 'app'"),
    ],
)
def test_the_message_says_what_it_must_be(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidPropsError) as caught:
        make()
    assert str(caught.value) == message


def test_what_is_known_at_deployment_only_is_of_any_type(stack: cdk.Stack) -> None:
    number = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    text = cdk.Token.as_string({"Ref": "Text"})
    texts = cdk.Token.as_list({"Ref": "Texts"})
    constructs_lib.FunctionOptions(memory_size=number, timeout=cdk.Duration.seconds(number))  # type: ignore[arg-type]
    constructs_lib.FunctionDefaults(environment={"A": text})
    constructs_lib.Notifications(stack, "Notifications", alarm_emails=texts)


def test_lists_and_tuples_are_alike() -> None:
    for layers in ([], ()):
        constructs_lib.FunctionDefaults(layers=layers)
