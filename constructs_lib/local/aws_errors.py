"""What boto raises where AWS says no, says nothing that it understands, or is not there."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["aws_errors", "one_line"]


def aws_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Them and others, for an ``except``, which asks only once something was raised."""
    # It takes longer to import than all else that a command needs, and the SDK has done so by then.
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    return BotoCoreError, ClientError, ResponseParserError, *more


def one_line(error: Exception) -> str:
    """The text of an error, in one line."""
    return " ".join(str(error).split())
