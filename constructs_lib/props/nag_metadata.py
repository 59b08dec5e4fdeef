"""Acknowledged findings where the CDK knows no `Acknowledgment`: in metadata of resources, for cdk-nag 2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import jsii
from aws_cdk import Aspects, CfnResource, IAspect

if TYPE_CHECKING:
    from constructs import IConstruct

__all__ = ["acknowledge_in_metadata"]

_KEY: Final = "cdk_nag"
_OF_ONE_FINDING: Final = re.compile(r"([^\[]+)\[(.*)\]")
#: The CDK's own number for aspects that change what the others look at.
_BEFORE_CHECKS: Final = 200


def acknowledge_in_metadata(construct: IConstruct, reason: str, *finding_ids: str) -> None:
    """Say on every resource in ``construct``, those added later included, why findings are accepted."""
    rules = [_rule(finding_id, reason) for finding_id in finding_ids]
    Aspects.of(construct).add(_Acknowledged(rules), priority=_BEFORE_CHECKS)


@jsii.implements(IAspect)
class _Acknowledged:
    """Adds rules to the metadata of each resource that it visits."""

    def __init__(self, rules: list[dict[str, Any]]) -> None:
        self._rules = rules

    def visit(self, node: IConstruct) -> None:
        """Add them to ``node``, where it is a resource."""
        if isinstance(node, CfnResource):
            known = (node.get_metadata(_KEY) or {}).get("rules_to_suppress", [])
            node.add_metadata(_KEY, {"rules_to_suppress": [*known, *self._rules]})


def _rule(finding_id: str, reason: str) -> dict[str, Any]:
    """Write what is accepted as cdk-nag 2 does: a rule, and where the id names one, the finding."""
    match = _OF_ONE_FINDING.fullmatch(finding_id)
    if match is None:
        return {"id": finding_id, "reason": reason}
    return {"id": match.group(1), "reason": reason, "applies_to": [match.group(2)]}
