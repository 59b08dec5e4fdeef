"""The variable that tells functions what the deployment has of features."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk import Stack

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_pattern
from constructs_lib.props.tokens import is_unresolved
from runtime.contract import MODULE_NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

__all__ = ["check_feature", "features_text"]


def features_text(scope: Construct, features: Mapping[str, Mapping[str, Any]]) -> str:
    """Give what ``CQRS_FEATURES`` says, in which names may be known at deployment only.

    Args:
        scope: What is of the stack that the functions are of.
        features: What is said of each feature, by its name.

    """
    literal = json.dumps(features, separators=(",", ":"))
    if not is_unresolved(literal):
        return literal
    return Stack.of(scope).to_json_string({name: dict(said) for name, said in features.items()})


def check_feature(
    scope: Construct, known: Mapping[str, Mapping[str, Any]], name: str, settings: Mapping[str, Any]
) -> None:
    """Refuse a feature that no runtime could have, and one that two constructs are for.

    Args:
        scope: What the settings are told to, for the message.
        known: What was told before.
        name: The feature.
        settings: What is said of it.

    Raises:
        InvalidPropsError: The name is none, or something else was said of this feature before.

    """
    check_pattern("name of a feature", name, MODULE_NAME_PATTERN, hint="use the one of the runtime's Feature")
    if known.get(name, settings) != settings:
        msg = (
            f"features known to {scope.node.path} must have different names, got two constructs for the "
            f"feature {name!r}; connect one of them"
        )
        raise InvalidPropsError(msg)
