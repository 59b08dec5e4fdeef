from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

# jsii's banner about an old Node is not about the tests.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,20")

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template
from syrupy.extensions.json import JSONSnapshotExtension

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

_ASSET_HASH = re.compile(r"\b[0-9a-f]{64}\b|(?<=Check)[0-9A-F]{8}[0-9a-f]{32}\b")
_ROOT = Path(__file__).parent.parent.parent
RECOMMENDED_FLAGS: dict[str, Any] = json.loads((_ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
#: The oldest CDK that the constructs work with does not validate.
_NOT_VALIDATED: dict[str, Any] = (
    {"builtin_cloud_formation_validation": False} if hasattr(cdk, "Acknowledgment") else {}
)
SKIP_BUNDLING = {"aws:cdk:bundling-stacks": []}


def new_app(*, flags: bool = True) -> cdk.App:
    """An app that bundles nothing, with or without the feature flags that cdk.json recommends.

    Templates are not validated, which takes seconds: the tests of compliance do that.
    """
    context = {**(RECOMMENDED_FLAGS if flags else {}), **SKIP_BUNDLING}
    return cdk.App(context=context, **_NOT_VALIDATED)


@pytest.fixture
def app() -> cdk.App:
    return new_app()


@pytest.fixture
def stack(app: cdk.App) -> cdk.Stack:
    """An environment-agnostic stack under the feature flags that the project ships with."""
    return cdk.Stack(app, "Test")


@pytest.fixture
def template_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.with_defaults(extension_class=JSONSnapshotExtension)


def stable(stack: cdk.Stack) -> dict[str, Any]:
    """The template of ``stack`` without asset hashes and bootstrap rules."""
    text = json.dumps(Template.from_stack(stack).to_json())
    template: dict[str, Any] = json.loads(_ASSET_HASH.sub("<asset>", text))
    return {key: value for key, value in template.items() if key not in {"Parameters", "Rules"}}


def warnings_of(stack: cdk.Stack) -> list[str]:
    """The ids of the warnings that synthesizing ``stack`` prints, in order."""
    messages = cdk.App.of(stack).synth().get_stack_by_name(stack.stack_name).messages
    return [
        match.group(1)
        for message in messages
        if message.level is cdk.cx_api.SynthesisMessageLevel.WARNING
        and (match := re.search(r"\[ack: ([^\]]+)\]", str(message.entry.data)))
    ]


def permissions(stack: cdk.Stack) -> dict[str, set[str]]:
    """What the policies of ``stack`` allow: the actions for each resource, by its logical id."""
    allowed: dict[str, set[str]] = {}
    for policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            resources = statement["Resource"]
            for resource in resources if isinstance(resources, list) else [resources]:
                actions = statement["Action"]
                allowed.setdefault(_shown(resource), set()).update(
                    [actions] if isinstance(actions, str) else actions
                )
    return allowed


def _shown(resource: Any) -> str:
    if isinstance(resource, dict):
        match resource:
            case {"Fn::GetAtt": [name, _]}:
                return str(name)
            case {"Fn::Join": ["", parts]}:
                return "".join(_shown(part) for part in parts)
            case {"Ref": name}:
                return f"<{name}>"
    return str(resource)
