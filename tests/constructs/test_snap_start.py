"""The api function that starts from a snapshot: what calls it calls an alias of its newest version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsFunction, CqrsFunctions, CqrsModule, CqrsStack, InvalidPropsError
from tests.constructs.conftest import new_app

if TYPE_CHECKING:
    from collections.abc import Mapping

CODE = "exports.handler = 1"
NEW = lambda_.Runtime.PYTHON_3_13
OF = {
    "versions": "AWS::Lambda::Version",
    "aliases": "AWS::Lambda::Alias",
    "functions": "AWS::Lambda::Function",
}


def service(**options: Any) -> cdk.Stack:
    options = {"python_runtime": NEW, "snap_start": True} | options
    return CqrsStack(
        new_app(),
        "Shop",
        app_name="shop",
        modules=[CqrsModule("order", data_sync=True)],
        code=lambda_.Code.from_inline(CODE),
        check_code=False,
        **options,
    )


def of_kind(stack: cdk.Stack, kind: str) -> Mapping[str, Any]:
    return Template.from_stack(stack).find_resources(OF[kind])


def test_the_api_calls_the_newest_version_and_nobody_else_has_one() -> None:
    stack = service()
    template = Template.from_stack(stack)
    ((version, _),) = of_kind(stack, "versions").items()
    ((alias, properties),) = of_kind(stack, "aliases").items()
    assert properties["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    snapshots = {
        logical.removeprefix("Functions").partition("Function")[0]: each["Properties"].get("SnapStart")
        for logical, each in of_kind(stack, "functions").items()
    }
    assert snapshots.pop("Api") == {"ApplyOn": "PublishedVersions"}
    assert set(snapshots) == {"Stream", "Worker", "Notifier", "Operator"}
    assert set(snapshots.values()) == {None}
    integrations = template.find_resources("AWS::ApiGatewayV2::Integration").values()
    assert [each["Properties"]["IntegrationUri"] for each in integrations] == [{"Ref": alias}]
    permissions = template.find_resources("AWS::Lambda::Permission").values()
    of_gateway = [
        each for each in permissions if each["Properties"]["Principal"] == "apigateway.amazonaws.com"
    ]
    assert [each["Properties"]["FunctionName"] for each in of_gateway] == [{"Ref": alias}]


def test_whatever_changes_the_function_is_a_new_version() -> None:
    first, *others = (
        [*of_kind(service(**options), "versions")]
        for options in ({}, {"environment": {"A": "1"}}, {"python_runtime": lambda_.Runtime.PYTHON_3_12}, {})
    )
    assert others[-1] == first
    assert first not in others[:-1]
    assert others[0] != others[1]


def test_by_default_there_are_no_versions() -> None:
    stack = service(snap_start=False)
    assert of_kind(stack, "versions") == of_kind(stack, "aliases") == {}


def test_a_function_alone_has_its_alias() -> None:
    stack = cdk.Stack(new_app(), "Alone")
    made = CqrsFunction(
        stack, "Made", code=lambda_.Code.from_inline(CODE), handler="a.b", python_runtime=NEW, snap_start=True
    )
    assert made.live is not None
    assert made.live.alias_name == "live"
    plain = CqrsFunction(stack, "Plain", code=lambda_.Code.from_inline(CODE), handler="a.b")
    assert plain.live is None
    messages = cdk.App.of(stack).synth().get_stack_by_name("Alone").messages
    assert not [message for message in messages if "snapStart" in str(message.entry.data)]


def test_a_python_without_snapshots_is_refused() -> None:
    with pytest.raises(InvalidPropsError, match=r"snap_start needs Python 3.12 or newer, got 'python3.11'"):
        service(python_runtime=lambda_.Runtime.PYTHON_3_11)


def test_an_existing_function_has_an_alias_of_its_own() -> None:
    stack = cdk.Stack(new_app(), "Own")
    own = lambda_.Function.from_function_name(stack, "Own", "own")
    with pytest.raises(
        InvalidPropsError, match=r"snap_start is for a function that is made here, got .*Own/Own"
    ):
        CqrsFunctions(
            stack, "Functions", code=lambda_.Code.from_inline(CODE), app_name="own", api=own, snap_start=True
        )


def test_other_apis_are_given_what_is_to_be_called() -> None:
    stack = service()
    assert isinstance(stack, CqrsStack)
    assert isinstance(stack.functions.api_target, lambda_.Alias)
    plain = service(snap_start=False)
    assert isinstance(plain, CqrsStack)
    assert plain.functions.api_target is plain.functions.api
