"""What the routes of sequences take and give."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from runtime.features.sequences.series import MAX_NUMBER
from runtime.model.models import CqrsModel

if TYPE_CHECKING:
    from runtime.features.sequences.items import SequenceCounter

__all__ = ["IssuedNumber", "NumberWanted", "ShownCounter", "ShownCounters", "WantedCounter", "WantedVoid"]


class NumberWanted(CqrsModel):
    """Which counter a number is wanted of.

    Attributes:
        codes: Its codes, as many as the series has.
    """

    model_config = ConfigDict(extra="forbid")

    codes: list[str] = Field(default_factory=list, max_length=5)


class WantedCounter(NumberWanted):
    """What a counter is to be set to.

    Attributes:
        no: The number that counts as the last one that was given.
    """

    no: int = Field(strict=True, ge=0, le=MAX_NUMBER)


class WantedVoid(NumberWanted):
    """Why a number is void.

    Attributes:
        reason: Why.
        bucket: The part of the counter's key that changes when numbers begin anew. Default: that of now.
    """

    reason: str = Field(min_length=1, max_length=200)
    bucket: str | None = Field(default=None, max_length=16)


class IssuedNumber(CqrsModel):
    """A number.

    Attributes:
        id: The counter that it is of.
        no: The number.
        formatted_no: The number as it is printed.
        issued_at: When.
        bucket: The part of the counter's key that changes when numbers begin anew.
    """

    id: str
    no: int
    formatted_no: str
    issued_at: datetime
    bucket: str


class ShownCounter(CqrsModel):
    """A counter.

    Attributes:
        type: The series.
        codes: Its codes.
        bucket: The part of its key that changes when numbers begin anew.
        no: The last number that was given.
        updated_at: When, as the row has it.
    """

    type: str
    codes: list[str]
    bucket: str
    no: int
    updated_at: str | None

    @classmethod
    def of(cls, counter: SequenceCounter) -> ShownCounter:
        """A counter as it is shown."""
        return cls(
            type=counter.type_code,
            codes=[*counter.codes],
            bucket=counter.bucket,
            no=counter.no,
            updated_at=counter.updated_at,
        )


class ShownCounters(CqrsModel):
    """Some counters of a series.

    Attributes:
        items: The counters, in the order of their keys.
        last_sk: Pass it as ``startFromSk`` to get the next page. Absent on the last one.
    """

    items: list[ShownCounter]
    last_sk: str | None = None
