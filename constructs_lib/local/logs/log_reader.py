"""Reads the logs of functions from CloudWatch Logs, as they come."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constructs_lib.local.logs.log_line import is_traceback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.local.endpoint import Endpoint
    from constructs_lib.local.service.deployed import Function

__all__ = ["Entry", "LogReader"]

#: Entries get their time when they are written; the clock of the next call may be a little behind.
_LOOK_BACK_MILLISECONDS = 2_000
#: What Lambda itself writes, and what the logger writes: neither belongs to a traceback above it.
_OF_ITS_OWN = ("START RequestId", "END RequestId", "REPORT RequestId", "{")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a log.

    Attributes:
        milliseconds: When it was written, since 1970.
        function: Which function has written it.
        message: What was written.
    """

    milliseconds: int
    function: Function
    message: str


class LogReader:
    """Reads what is new, each time that it is asked.

    Args:
        aws: Where the functions are.
        since: Time of the first entry to read, in milliseconds since 1970.
    """

    def __init__(self, aws: Endpoint, since: int = 0) -> None:
        self._client = aws.client("logs")
        self._since = since
        self._from: dict[str, int] = {}
        self._seen: dict[str, Counter[tuple[Any, ...]]] = {}

    def read(self, functions: Sequence[Function]) -> list[Entry]:
        """What these functions have logged since the last time, in order."""
        found = [entry for function in functions for entry in self._new_of(function)]
        return sorted(found, key=lambda entry: entry.milliseconds)

    def _new_of(self, function: Function) -> list[Entry]:
        group, found = function.log_group, []
        # As many at a time as the emulator gives; it has no next page.
        while batch := self._batch(group):
            found += batch
        return [Entry(event["timestamp"], function, event["message"]) for event in _joined(found)]

    def _batch(self, group: str) -> list[dict[str, Any]]:
        start = max(self._from.get(group, 0), self._since)
        try:
            answer = self._client.filter_log_events(logGroupName=group, startTime=start)
        except self._client.exceptions.ResourceNotFoundException:
            return []  # it has never been called
        events: list[dict[str, Any]] = answer["events"]
        # The emulator's entries have no ids, and two calls may log the same in one millisecond.
        before, now = self._seen.get(group, Counter()), Counter[tuple[Any, ...]]()
        new = []
        for event in events:
            key = event["logStreamName"], event["timestamp"], event["message"]
            now[key] += 1
            if now[key] > before[key]:
                new.append(event)
        if new:
            self._from[group] = max(new[-1]["timestamp"] - _LOOK_BACK_MILLISECONDS, start)
            self._seen[group] = now
        return new


def _joined(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries, with each traceback one of them: the emulator makes an entry of each line."""
    joined: list[dict[str, Any]] = []
    for event in events:
        above = joined[-1] if joined else None
        if (
            above
            and above["logStreamName"] == event["logStreamName"]
            and is_traceback(above["message"])
            and not event["message"].startswith(_OF_ITS_OWN)
        ):
            joined[-1] = above | {"message": f"{above['message']}\n{event['message']}"}
        else:
            joined.append(event)
    return joined
