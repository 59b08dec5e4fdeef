"""One page of all commits of a module, with a token that goes on behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.entry.operator.arguments import Arguments
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.event_module import EventModule

__all__ = ["CommitPage", "page_of"]


@dataclass(frozen=True, slots=True)
class CommitPage:
    """One page of commits.

    Attributes:
        commits: The commits: those of an aggregate one after the other, the oldest first.
        before: ``pk`` of the aggregate that the page before has ended with; None on the first one.
        token: Goes on with the page behind this one; None behind the last one.
    """

    commits: Sequence[Commit]
    before: str | None
    token: str | None


def page_of(module: EventModule, arguments: Arguments) -> CommitPage:
    """The page that the arguments of paging ask for: of all streams, or of ``stream``.

    Raises:
        InvalidInputError: An argument is out of range, or the domain has no such stream.
    """
    paging = arguments.segment()
    before, start = _parts(arguments.optional_text("resumeToken"))
    commits, following = module.domain.provider.everything(
        _streams(module, arguments.optional_text("stream")),
        segment=paging.segment,
        total_segments=paging.total_segments,
        start=start,
        limit=paging.limit,
    )
    last = commits[-1].key.pk if commits else before
    token = None if following is None else json.dumps([last, following])
    return CommitPage(commits, before, token)


def _streams(module: EventModule, stream: str | None) -> list[str]:
    known = sorted(module.domain.aggregates)
    if stream is None:
        return known
    if stream not in known:
        message = f"must be one of {', '.join(known)}, got {stream!r}"
        raise InvalidInputError([FieldProblem("stream", message)])
    return [stream]


def _parts(token: str | None) -> tuple[str | None, str | None]:
    if token is None:
        return None, None
    try:
        before, start = json.loads(token)
    except (TypeError, ValueError) as error:
        raise _refused() from error
    if not isinstance(start, str) or not isinstance(before, str | None):
        raise _refused()
    return before, start


def _refused() -> InvalidInputError:
    return InvalidInputError([FieldProblem("resumeToken", "must be the resumeToken of an earlier page")])
