from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import DependenciesLayer, InvalidPropsError, RuntimeLayer
from tests.constructs.conftest import new_app, stable

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

LAYER = "AWS::Lambda::LayerVersion"
ARN = "arn:aws:lambda:eu-west-1:111111111111:layer:cqrs:7"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("alpha==1.0 --hash=sha256:aa\n")
    return path


def key_of_asset(stack: cdk.Stack) -> str:
    (layer,) = Template.from_stack(stack).find_resources(LAYER).values()
    return str(layer["Properties"]["Content"]["S3Key"])


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    # The default Python is the one that runs this test, so the snapshot names one.
    RuntimeLayer(stack, "Runtime", python_runtime=lambda_.Runtime.PYTHON_3_13)
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    RuntimeLayer(
        stack,
        "Runtime",
        architecture=lambda_.Architecture.X86_64,
        python_runtime=lambda_.Runtime.PYTHON_3_14,
        pin_boto3=True,
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )
    assert stable(stack) == template_snapshot


def test_dependencies(stack: cdk.Stack, lock: Path, template_snapshot: SnapshotAssertion) -> None:
    DependenciesLayer(
        stack,
        "Packages",
        requirements=lock,
        architecture=lambda_.Architecture.X86_64,
        python_runtime=lambda_.Runtime.PYTHON_3_12,
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )
    assert stable(stack) == template_snapshot


def test_a_layer_fits_only_the_functions_that_it_is_built_for(stack: cdk.Stack) -> None:
    RuntimeLayer(stack, "Runtime", python_runtime=lambda_.Runtime.PYTHON_3_12)
    Template.from_stack(stack).has_resource_properties(
        LAYER, {"CompatibleArchitectures": ["arm64"], "CompatibleRuntimes": ["python3.12"]}
    )


def test_the_asset_has_the_same_name_in_every_app() -> None:
    keys = set()
    for flags in (True, False):
        stack = cdk.Stack(new_app(flags=flags), "Test")
        cdk.CfnOutput(stack, "Other", value="shifts the ids of the objects")
        RuntimeLayer(stack, "Runtime")
        keys.add(key_of_asset(stack))
    assert len(keys) == 1


@pytest.mark.parametrize(
    "props",
    [
        {"pin_boto3": True},
        {"architecture": lambda_.Architecture.X86_64},
        {"python_runtime": lambda_.Runtime.PYTHON_3_14},
    ],
    ids=lambda props: next(iter(props)),
)
def test_the_asset_changes_with(props: dict[str, Any]) -> None:
    given = {"python_runtime": lambda_.Runtime.PYTHON_3_13} | props
    plain, other = cdk.Stack(new_app(), "Test"), cdk.Stack(new_app(), "Test")
    RuntimeLayer(plain, "Runtime", python_runtime=lambda_.Runtime.PYTHON_3_13)
    RuntimeLayer(other, "Runtime", **given)
    assert key_of_asset(plain) != key_of_asset(other)


def test_a_deployed_layer_can_be_used(stack: cdk.Stack) -> None:
    layer = RuntimeLayer.from_arn(stack, "Runtime", ARN)
    assert layer.layer_version_arn == ARN
    assert Template.from_stack(stack).find_resources(LAYER) == {}


@pytest.mark.parametrize("arn", [ARN.removesuffix(":7"), "cqrs:7", ""])
def test_an_arn_without_a_version_is_refused(stack: cdk.Stack, arn: str) -> None:
    with pytest.raises(InvalidPropsError, match=rf"arn must match .*, got '{arn}'; it ends in"):
        RuntimeLayer.from_arn(stack, "Runtime", arn)


def test_an_arn_that_is_known_at_deployment_is_accepted(stack: cdk.Stack) -> None:
    arn = cdk.CfnParameter(stack, "Arn").value_as_string
    assert stack.resolve(RuntimeLayer.from_arn(stack, "Runtime", arn).layer_version_arn) == {"Ref": "Arn"}


def test_another_language_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match=r"python_runtime must be Python 3\.11 or newer"):
        RuntimeLayer(stack, "Runtime", python_runtime=lambda_.Runtime.NODEJS_22_X)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "requirements must be a file, got .*; make it: uv pip compile"),
        ("# nothing yet\n", "requirements must name a package, got none in .*; leave the layer out"),
        (
            "alpha==1.0 --hash=sha256:aa\nbeta==2\n",
            r"must have a hash for each package, got 'beta==2'; make it",
        ),
    ],
)
def test_requirements_that_are_not_locked_are_refused(
    stack: cdk.Stack, tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "packages.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidPropsError, match=message):
        DependenciesLayer(stack, "Packages", requirements=path)
