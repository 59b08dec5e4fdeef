"""Templates of the examples' own CDK apps, run as the CDK CLI runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.apps import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.apps import Synthesize

__all__ = ["DATABASE", "Resources", "allowed", "functions", "resources_of"]

Resources = dict[str, dict[str, Any]]


def resources_of(example: str, synthesize: Synthesize) -> Resources:
    """The resources of an example's stack, by logical id; the example is its folder in `examples`."""
    folder = synthesize(f"examples/{example}/app.py", database_url=DATABASE)
    template = folder / f"{example.capitalize()}.template.json"
    found: Resources = json.loads(template.read_text())["Resources"]
    return found


def functions(resources: Resources) -> Resources:
    """The functions with the service's code, by their kind."""
    found = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::Function"]
    ours = [one for one in found if "Layers" in one]
    return {one["Environment"]["Variables"]["CQRS_FUNCTION"]: one for one in ours}


def allowed(resources: Resources) -> Iterator[tuple[str, str, str]]:
    """What the functions may do: kind of function, action, and the resource as JSON."""
    kinds = {one["Role"]["Fn::GetAtt"][0]: kind for kind, one in functions(resources).items()}
    for policy in resources.values():
        if policy["Type"] != "AWS::IAM::Policy":
            continue
        for role in (one["Ref"] for one in policy["Properties"]["Roles"] if "Ref" in one):
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    if role in kinds:
                        yield kinds[role], action, json.dumps(statement["Resource"])
