"""What calls of sequences take beside the series: which counter, of what moment, printed how."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runtime.identity.context import InvokeContext

__all__ = ["BucketOptions", "CounterOptions", "MomentOptions", "NumberOptions", "SlotOptions"]


class SlotOptions(TypedDict, total=False):
    """Which counter of a series a command takes its number from.

    Attributes:
        tenant_code: The tenant. Default: that of the caller.
        codes: The codes, as many as the series has. Default: none.
        date: The moment that decides about bucket and print, with a time zone. Default: now.
    """

    tenant_code: str | None
    codes: Sequence[str]
    date: datetime | None


class CounterOptions(TypedDict, total=False):
    """Which counters of a series a call is about.

    Attributes:
        tenant_code: The tenant. Default: that of the caller.
        codes: The codes, as many as the series has. Default: none.
        invoke_context: Who asks. Default: the HTTP request that is being handled.
    """

    tenant_code: str | None
    codes: Sequence[str]
    invoke_context: InvokeContext | None


class MomentOptions(CounterOptions, total=False):
    """Which counter of a series, by the moment; see `CounterOptions` for the rest.

    Attributes:
        date: The moment that decides about bucket and print, with a time zone. Default: now.
    """

    date: datetime | None


class BucketOptions(CounterOptions, total=False):
    """Which counter of a series, by its bucket; see `CounterOptions` for the rest.

    Attributes:
        bucket: The part of the counter's key that changes when numbers begin anew: `SequenceItem.bucket`.
            Default: that of now.
    """

    bucket: str | None


class NumberOptions(MomentOptions, total=False):
    """How a number is taken; see `MomentOptions` for the rest.

    Attributes:
        prefix: Printed before the number: up to 200 printable characters. Default: none.
        postfix: Printed after it, likewise.
        idempotency_key: 1 to 255 characters. A repeated call with this key gets the number of the first one,
            for a day; for ever in a series that records its numbers. Another call with it is refused.
    """

    prefix: str
    postfix: str
    idempotency_key: str | None
