"""What an update of a stack would lose, found before it is deployed, and without an account.

The CDK CLI compares the two templates, since it knows for each property of each type
whether CloudFormation replaces the resource. Nothing is asked of AWS.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from constructs_lib.local.cdk import find_cdk
from constructs_lib.local.environment import client_environment, without_aws
from constructs_lib.local.errors import CdkFailedError
from constructs_lib.local.template_safeguards import safeguards_lost

__all__ = ["KEPT_TYPES", "Loss", "assert_nothing_replaced", "losses"]

Template = Mapping[str, Any] | Path

KEPT_TYPES: Final = frozenset(
    {
        "AWS::AppSync::Api",  # clients know its address
        "AWS::ApiGatewayV2::Api",
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolClient",
        "AWS::DocDB::DBCluster",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::EFS::FileSystem",
        "AWS::KMS::Key",
        "AWS::Kinesis::Stream",
        "AWS::Lambda::EventSourceMapping",  # it knows how far a stream was read
        "AWS::Logs::LogGroup",
        "AWS::OpenSearchService::Domain",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",  # its subscriptions, and who publishes to it
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
        "AWS::StepFunctions::StateMachine",  # its executions
    }
)
"""Types of resources that hold something, or that others know by an address."""

#: Properties that CloudFormation calls updatable, and that the service refuses to update.
_FROZEN: Final = {
    "AWS::Cognito::UserPool": ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration"),
    "AWS::KMS::Key": ("KeySpec", "KeyUsage", "MultiRegion", "Origin"),
}
_LINE: Final = re.compile(r"^\[([-~])\] (\S+) (\S+)(?: (.+))?$")
_STACK: Final = "Stack"


@dataclass(frozen=True, slots=True)
class Loss:
    """A resource that an update would not keep, or not as safe as it was.

    Attributes:
        logical_id: Its logical id in the template before.
        type: Its type, such as ``AWS::S3::Bucket``.
        impact: ``replace``, ``may be replaced``, ``destroy``, ``orphan`` (removed, but
            retained outside of the stack), ``cannot change`` and the property's name, or
            what it would be without, such as ``loses deletion protection``.
    """

    logical_id: str
    type: str
    impact: str

    def __str__(self) -> str:
        return f"{self.logical_id} ({self.type}): {self.impact}"


def assert_nothing_replaced(
    before: Template,
    after: Template,
    *,
    types: Collection[str] = KEPT_TYPES,
    allowed: Collection[str] = (),
) -> None:
    """Fail when an update would replace or remove a resource that holds something, or bare it.

    To bare it is to take away what keeps it or what is in it: its deletion policy, protection from
    deletion, stream, point-in-time recovery, TTL, an index, versions, encryption, its key, or a part of the
    time for which something is kept.

    Call it in a test of your stack, with the template that is deployed checked in.

    Example:
        >>> assert_nothing_replaced(
        ...     Path("tests/deployed/Shop.json"), Template.from_stack(shop).to_json()
        ... )

    Args:
        before: The template that is deployed, or the JSON file that it is in.
        after: The template of today, likewise.
        types: Which types to keep.
        allowed: Logical ids that may go, or be bared, since you saw to what they hold.

    Raises:
        AssertionError: There are such resources; the message names each.
        CdkFailedError: The CDK CLI cannot read a template.
        CdkMissingError: There is no CDK CLI in this folder or above, nor on the machine.
    """
    found = [loss for loss in losses(before, after, types=types) if loss.logical_id not in allowed]
    if found:
        names = "\n  ".join(map(str, found))
        msg = f"the update would not keep:\n  {names}\nsee docs/upgrading.md for ways that do"
        raise AssertionError(msg)


def losses(before: Template, after: Template, *, types: Collection[str] = KEPT_TYPES) -> list[Loss]:
    """The resources of some types that an update would not keep, or would bare, by logical id.

    Raises:
        CdkFailedError: The CDK CLI cannot read a template.
        CdkMissingError: There is no CDK CLI in this folder or above, nor on the machine.
    """
    old, new = _content(before), _content(after)
    found = {
        match[3]: [Loss(match[3], match[2], match[4] or "destroy")]
        for line in _diff(old, new)
        if (match := _LINE.match(line)) and match[2] in types and (match[4] or match[1] == "-")
    }
    for name, resource in old["Resources"].items():
        other = new["Resources"].get(name, {})
        if name in found or resource["Type"] not in types or other.get("Type") != resource["Type"]:
            continue
        properties, changed = resource.get("Properties", {}), other.get("Properties", {})
        impacts = [
            f"cannot change {frozen}"
            for frozen in _FROZEN.get(resource["Type"], ())
            if properties.get(frozen) != changed.get(frozen)
        ]
        impacts += safeguards_lost(resource, other)
        found[name] = [Loss(name, resource["Type"], impact) for impact in impacts]
    return [loss for name in sorted(found) for loss in found[name]]


def _content(template: Template) -> Mapping[str, Any]:
    if isinstance(template, Path):
        content: dict[str, Any] = json.loads(template.read_text(encoding="utf-8"))
        return content
    return template


def _diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What ``cdk diff`` prints about two templates."""
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "properties": {"templateFile": "after.json"},
    }
    with tempfile.TemporaryDirectory(prefix="cdk-diff-") as name:
        folder = Path(name)
        manifest = {"version": "36.0.0", "artifacts": {_STACK: artifact}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "after.json").write_text(json.dumps(after))
        (folder / "before.json").write_text(json.dumps(before))
        command = [
            *find_cdk(Path.cwd()), "diff", _STACK, "--app", name, "--template", str(folder / "before.json"),
            "--no-notices", "--no-version-reporting", "--no-color", "--ci",
        ]  # fmt: skip
        # No request leaves: nobody listens on the discard port.
        environment = without_aws(os.environ) | client_environment("http://127.0.0.1:9")
        done = subprocess.run(  # noqa: S603 - our own arguments
            command,
            cwd=folder,
            env=environment | {"CDK_HOME": str(folder / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = f"{done.stdout}{done.stderr}".splitlines()
    # A difference alone is no error; and what says neither is not understood.
    if done.returncode or not any("Number of stacks with differences" in line for line in lines):
        command_name = "diff"
        raise CdkFailedError(command_name, done.returncode, lines)
    return lines
