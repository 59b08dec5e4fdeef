"""Tokens: what stands for a value that is known at deployment only."""

from __future__ import annotations

from typing import Final

from aws_cdk import Token

__all__ = ["is_unresolved"]

#: In every text that has a token in it; the CDK looks for it first, too.
_MARKER: Final = "Token["


def is_unresolved(value: object) -> bool:
    """Whether a value is a token, or a text with one in it.

    As `Token.is_unresolved`, without a call of Node.js for what cannot be one: a stack asks for most of
    its texts and numbers, and each call takes as long as a hundred such answers.

    Args:
        value: A text, a number, a list or anything that a property takes.

    Returns:
        True where the value is known at deployment only.

    """
    match value:
        case str():
            return _MARKER in value and bool(Token.is_unresolved(value))
        case int() | float() if value >= 0:  # a number that is a token is far below zero
            return False
        case _:
            return bool(Token.is_unresolved(value))
