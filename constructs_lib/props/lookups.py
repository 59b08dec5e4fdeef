"""Values that CDK looks up: before it has, something else stands in for them."""

from __future__ import annotations

from typing import Final

from constructs_lib.props.tokens import is_unresolved

__all__ = ["is_known", "is_stand_in"]

#: How ``StringParameter.value_from_lookup`` begins until the CLI has asked, and synthesizes again.
_STAND_IN: Final = "dummy-value-for-"


def is_stand_in(value: object) -> bool:
    """Whether a text is not yet the one that was meant."""
    return isinstance(value, str) and value.startswith(_STAND_IN)


def is_known(value: object) -> bool:
    """Whether a value is what it is: neither a token, nor a stand-in."""
    return not is_unresolved(value) and not is_stand_in(value)
