"""The variable that tells functions of their modules, as short as it can be: there are 4 KB for all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk import Stack

from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

__all__ = ["in_short", "modules_text", "raw_text"]


def in_short(settings: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Give the settings of a module in words, where it has a kind, and nothing that takes more than a word.

    Such as "events handlers", for a module of events whose tables have the names of the convention.
    """
    rest = {name: value for name, value in settings.items() if name != "kind"}
    if "kind" in settings and all(value is True for value in rest.values()):
        return " ".join([settings["kind"], *rest])
    return settings


def modules_text(scope: Construct, modules: Mapping[str, Mapping[str, Any]]) -> str:
    """Give what ``CQRS_MODULES`` says, in which names may be known at deployment only.

    Args:
        scope: What is of the stack that the functions are of.
        modules: Settings of the modules by their names.

    """
    literal = raw_text(modules)
    if not is_unresolved(literal):
        return literal
    return Stack.of(scope).to_json_string({name: in_short(of) for name, of in modules.items()})


def raw_text(modules: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the same with CDK's tokens for names that are known at deployment only, to be counted."""
    short = {name: in_short(settings) for name, settings in modules.items()}
    return json.dumps(short, separators=(",", ":"))
