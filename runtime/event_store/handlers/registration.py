"""What is known of a handler as a whole: its generations, and how far their scans are.

A generation is one build of a read model. One of them is live: it is what queries look at. A new one is built
beside it, scanned full, switched to, and then the old one is retired. All that are not retired are fed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SETTLED_AFTER", "Registration", "Segment"]

SETTLED_AFTER: Final = timedelta(seconds=60)
"""After so long every function knows of a new generation: it keeps a registration for half of it at most."""


#: So many keys of what could not be read are kept: a row is no list.
_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Segment:
    """How far the scan of one segment is.

    Attributes:
        resume_token: Goes on with the page that comes next; None when it is through.
        aggregates: Aggregates of the pages that were shown; one on two pages counts twice.
        events: Events that were shown.
        unreadable: Aggregates of which the handler is missing something, as it could not be read; counted as
            ``aggregates`` are.
        named: Partition keys of the first ones of these.
    """

    resume_token: str | None
    aggregates: int = 0
    events: int = 0
    unreadable: int = 0
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is known of a handler as a whole. Its methods give what it becomes.

    Attributes:
        started_at: When it was first started, or the time of the first event that it was ever told of.
        live: The generation that queries look at.
        building: The one that is being built beside it; None without one.
        built_at: When that was begun; None without one.
        retiring: The one that was live before: it is fed until it is retired. None without one.
        newest: The highest number that a generation ever had.
        position: Where whoever pulls goes on; empty at the beginning.
        segments: How far each segment of the present scan is, by its number.
        total_segments: Into how many segments that scan divides the store; 0 before a scan.
    """

    started_at: datetime
    live: int = 1
    building: int | None = None
    built_at: datetime | None = None
    retiring: int | None = None
    newest: int = 1
    position: str = ""
    segments: Mapping[int, Segment] = field(default_factory=dict)
    total_segments: int = 0

    @property
    def generations(self) -> tuple[int, ...]:
        """The generations that are fed, the live one first."""
        return (self.live, *(n for n in (self.building, self.retiring) if n is not None))

    @property
    def unreadable(self) -> tuple[int, tuple[str, ...]]:
        """How many aggregates the present scan could not read to their ends, and the first of their keys."""
        segments = [one for _, one in sorted(self.segments.items())]
        names = dict.fromkeys(pk for one in segments for pk in one.named)
        return sum(one.unreadable for one in segments), tuple(names)

    @property
    def is_scanned(self) -> bool:
        """Whether the present scan is through with all of its segments."""
        through = [one for one in self.segments.values() if one.resume_token is None]
        return self.total_segments > 0 and len(through) == self.total_segments

    def begin(self, name: str, now: datetime) -> Registration:
        """Begin the next generation.

        Raises:
            BadRequestError: One is being built, or the last one has not been retired.
        """
        if self.building is not None:
            msg = (
                f"{name}: generation {self.building} is being built already; switch to it, or give it up "
                f"with retire({self.building})"
            )
            raise BadRequestError(msg)
        if self.retiring is not None:
            msg = f"{name}: generation {self.retiring} is still fed; retire it before you build another one"
            raise BadRequestError(msg)
        return replace(
            self,
            building=self.newest + 1,
            newest=self.newest + 1,
            built_at=now,
            segments={},
            total_segments=0,
        )

    def check_scan(self, name: str, now: datetime) -> int:
        """The generation that a scan is for: the one that is being built, else the live one.

        Raises:
            BadRequestError: It was begun so shortly ago that a function may not know of it yet.
        """
        if self.building is None:
            return self.live
        if self.built_at is not None and (age := now - self.built_at) < SETTLED_AFTER:
            msg = (
                f"{name}: generation {self.building} was begun {age.total_seconds():.0f} seconds ago, and "
                f"functions may not feed it yet; scan in {(SETTLED_AFTER - age).total_seconds():.0f} seconds"
            )
            raise BadRequestError(msg)
        return self.building

    def check_begun(self, name: str, segment: int, total_segments: int) -> None:
        """Refuse to go on with a segment whose first page was not shown in the present scan.

        Raises:
            BadRequestError: A token of an earlier scan would leave out what is in front of it.
        """
        if total_segments != self.total_segments or segment not in self.segments:
            generation = self.live if self.building is None else self.building
            msg = (
                f"{name}: no page of segment {segment} of {total_segments} was shown to generation "
                f"{generation} before; begin without resume_from"
            )
            raise BadRequestError(msg)

    def scanned(self, segment: int, total_segments: int, page: Segment, *, is_first: bool) -> Registration:
        """Note a page of a scan. Another number of segments is another scan.

        Args:
            segment: Number of the segment.
            total_segments: How many there are.
            page: What was shown, and where the segment goes on.
            is_first: Whether the page is the segment's first.
        """
        others = dict(self.segments) if total_segments == self.total_segments else {}
        found = others.pop(segment, Segment(None))
        before = Segment(None) if is_first else found
        room = _MOST_NAMED - sum(len(one.named) for one in others.values())
        others[segment] = Segment(
            page.resume_token,
            before.aggregates + page.aggregates,
            before.events + page.events,
            before.unreadable + page.unreadable,
            tuple(dict.fromkeys((*before.named, *page.named)))[: max(room, len(before.named))],
        )
        return replace(self, segments=others, total_segments=total_segments)

    def switched(self, name: str) -> Registration:
        """Make the generation that was built the live one; the old one is fed until it is retired.

        Raises:
            BadRequestError: None is being built, or its scan is not through.
        """
        if self.building is None:
            msg = f"{name}: no generation is being built; generation {self.live} is live"
            raise BadRequestError(msg)
        if not self.is_scanned:
            open_ones = sorted(
                n
                for n in range(max(self.total_segments, 1))
                if n not in self.segments or self.segments[n].resume_token
            )
            msg = (
                f"{name}: generation {self.building} has not been scanned full: segments {open_ones} of "
                f"{max(self.total_segments, 1)} are left; rebuild them first"
            )
            raise BadRequestError(msg)
        return replace(self, live=self.building, building=None, built_at=None, retiring=self.live)

    def retired(self, name: str, generation: int | None) -> Registration:
        """Stop feeding a generation: the one that was live before, or the one that is named.

        Raises:
            BadRequestError: It is the live one, or none is there to be retired.
        """
        if generation is None:
            generation = self.retiring
        if generation is None:
            hint = (
                ""
                if self.building is None
                else f"; to give up the one that is being built, name {self.building}"
            )
            msg = f"{name}: no generation was live before {self.live}{hint}"
            raise BadRequestError(msg)
        if generation == self.live:
            msg = f"{name}: generation {generation} is the live one; build another one and switch to it first"
            raise BadRequestError(msg)
        if generation == self.retiring:
            return replace(self, retiring=None)
        if generation == self.building:
            return replace(self, building=None, built_at=None, segments={}, total_segments=0)
        msg = f"{name}: there is no generation {generation!r}; fed are {list(self.generations)}"
        raise BadRequestError(msg)

    def columns(self) -> dict[str, Any]:
        """The columns of the handler's row."""
        found = {
            "startedAt": _text(self.started_at),
            "live": self.live,
            "building": self.building,
            "builtAt": None if self.built_at is None else _text(self.built_at),
            "retiring": self.retiring,
            "newest": self.newest,
            "position": self.position or None,
            "segments": _segments_text(self.segments) if self.segments else None,
            "totalSegments": self.total_segments or None,
        }
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Registration:
        """What a handler's row says."""
        built_at = row.get("builtAt")
        return cls(
            started_at=datetime.fromisoformat(row["startedAt"]),
            live=int(row["live"]),
            building=_number(row.get("building")),
            built_at=None if built_at is None else datetime.fromisoformat(built_at),
            retiring=_number(row.get("retiring")),
            newest=int(row["newest"]),
            position=row.get("position", ""),
            segments={int(n): _segment(*one) for n, one in json.loads(row.get("segments", "{}")).items()},
            total_segments=int(row.get("totalSegments", 0)),
        )


def _text(moment: datetime) -> str:
    """To the microsecond: events are compared with it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _number(value: Any) -> int | None:  # noqa: ANN401 - a number of the store
    return None if value is None else int(value)


def _segment(
    resume_token: str | None, aggregates: int, events: int, unreadable: int, named: list[str]
) -> Segment:
    return Segment(resume_token, aggregates, events, unreadable, tuple(named))


def _segments_text(segments: Mapping[int, Segment]) -> str:
    return json.dumps(
        {
            n: [one.resume_token, one.aggregates, one.events, one.unreadable, one.named]
            for n, one in sorted(segments.items())
        }
    )
