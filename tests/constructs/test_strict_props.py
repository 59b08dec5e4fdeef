from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from constructs import Construct

import constructs_lib
from constructs_lib import InvalidPropsError
from constructs_lib.props.strict_props import strict_dataclass, strict_props

if TYPE_CHECKING:
    import aws_cdk as cdk

CONSTRUCTS = {
    name: item
    for name in constructs_lib.__all__
    if inspect.isclass(item := getattr(constructs_lib, name)) and issubclass(item, Construct)
}
TYPOS = {
    "AttributesBucket": ("bukket", "bucket"),
    "CommandWorkflow": ("time_out", "timeout"),
    "CqrsApi": ("cors_origin", "cors_origins"),
    "CqrsFunction": ("memory_sise", "memory_size"),
    "CqrsFunctions": ("read_your_write", "read_your_writes"),
    "CqrsMonitoring": ("threshold", "thresholds"),
    "CqrsStack": ("module", "modules"),
    "CqrsTable": ("datasync", "data_sync"),
    "DependenciesLayer": ("requirement", "requirements"),
    "FailedRecords": ("bukket", "bucket"),
    "Healing": ("heal_evry", "heal_every"),
    "Identity": ("selfsign_up", "self_sign_up"),
    "MasterDataTable": ("tablename", "table_name"),
    "Notifications": ("alarm_email", "alarm_emails"),
    "RealtimeApi": ("name_space", "namespace"),
    "RuntimeLayer": ("pin_boto", "pin_boto3"),
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
