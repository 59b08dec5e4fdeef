"""`cqrs replay-dlq`: stream records that failed, and notifications that were not delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import RefusedError
from constructs_lib.cli.progress import progress
from constructs_lib.cli.screen import Line, Table, say
from constructs_lib.cli.walk import Walk

if TYPE_CHECKING:
    from constructs_lib.cli.context import Context, Listing

__all__ = ["replay"]

_RECORDS, _NOTIFICATIONS = "records", "notifications"
#: A page of records is many calls, one of notifications a few.
_MESSAGES_A_CALL = 1000


@dataclass(frozen=True, slots=True)
class _Page:
    """The next page of stream records or of notifications.

    Attributes:
        kind: "records" or "notifications".
        token: The service's own token of the page.
        wanted: How many notifications are still to be moved: those that come back while
            others are moved must not be moved for ever.
    """

    kind: str
    token: str | None = None
    wanted: int = 0


class _Tally:
    def __init__(self, kinds: list[str], failed: Listing) -> None:
        counts = {"objects": 0, "records": 0, "replayed": 0}
        self.failed = failed
        self.records = counts if _RECORDS in kinds else None
        self.notifications = {"moved": 0, "left": 0} if _NOTIFICATIONS in kinds else None

    def take(self, page: _Page, answer: dict[str, Any]) -> _Page | None:
        if self.records is not None and page.kind == _RECORDS:
            for name in self.records:
                self.records[name] += answer[name]
            self.failed.add(answer["failed"])
            token = answer["resumeToken"]
            return _Page(_RECORDS, token) if token else None
        if self.notifications is not None:
            self.notifications["moved"] += answer["moved"]
            self.notifications["left"] = answer["left"]
        wanted = page.wanted - answer["moved"]
        # Alarms stay in the queue: when nothing moves any more, they are what is left.
        return _Page(_NOTIFICATIONS, wanted=wanted) if wanted > 0 and answer["moved"] else None

    def document(self) -> dict[str, Any]:
        failed = {"failed": self.failed.entries, "failedTotal": self.failed.total}
        return {
            _RECORDS: self.records and {**self.records, **failed},
            _NOTIFICATIONS: self.notifications,
        }


def replay(context: Context) -> Result:
    """Process stream records that failed once more, and put notifications back into their queue."""
    dry_run = context.options.dry_run
    start = _start(context)
    tally = _Tally([page.kind for page in start], context.listing())

    def ask(page: _Page) -> dict[str, Any]:
        if page.kind == _RECORDS:
            return context.operator.ask("replayRecords", dryRun=dry_run, resumeToken=page.token)
        answer = context.operator.ask("replayNotifications", dryRun=dry_run, limit=_MESSAGES_A_CALL)
        # What a dry run leaves is what the next call would move.
        return {"moved": answer["moved"] + answer["left"], "left": 0} if dry_run else answer

    with progress("replay-dlq", 0) as shown:

        def take(page: _Page, answer: dict[str, Any]) -> _Page | None:
            shown.advance(answer.get("objects", 0) + answer.get("moved", 0), f"{tally.failed.total} failed")
            return tally.take(page, answer)

        walk = Walk(start, ask, take, threads=1)
        walk.run(lambda: say("stopping after the call under way; Ctrl-C again stops at once"))
    return _result(tally, walk, dry_run=dry_run)


def _start(context: Context) -> list[_Page]:
    """Give what there is to replay; a kind that the service lacks is left out, unless it is asked for."""
    only, health = context.options.only, context.operator.ask("health")
    counts = {_RECORDS: health["failedRecords"], _NOTIFICATIONS: health["deadLetters"]}
    if only is not None and counts[only] is None:
        message = f"--only: the service has no place where {only} that failed are kept"
        raise RefusedError(message)
    return [
        _Page(kind, wanted=count)
        for kind, count in counts.items()
        if count is not None and only in {None, kind}
    ]


def _result(tally: _Tally, walk: Walk[_Page], *, dry_run: bool) -> Result:
    left = tally.notifications["left"] if tally.notifications else 0
    ended, code, hints = walk.ending(attention=bool(tally.failed.total or left))
    document = {"dryRun": dry_run, **ended, **tally.document()}
    if walk.left:
        hints.append("not done; the same command goes on")
    return Result(document, _parts(tally, dry_run=dry_run), code, hints)


def _parts(tally: _Tally, *, dry_run: bool) -> list[Line | Table]:
    parts: list[Line | Table] = [Line("Dry run: nothing was written", "bold")] if dry_run else []
    rows = []
    if tally.records is not None:
        records = tally.records
        rows.append(["stream records", records["records"], records["replayed"], tally.failed.total])
    if tally.notifications is not None:
        moved, left = tally.notifications["moved"], tally.notifications["left"]
        rows.append(["notifications", moved + left, moved, left])
    parts.append(Table(["what", "found", "would go" if dry_run else "replayed", "left"], rows))
    if tally.failed.entries:
        failed = [[entry["object"], entry["error"]] for entry in tally.failed.entries]
        parts.append(Table(["object", "error"], failed, "Batches that failed again"))
    if tally.failed.more:
        parts.append(Line(tally.failed.more))
    return parts
