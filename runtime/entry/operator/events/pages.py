"""One page of all commits of a module, with a token that goes on behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.errors import FieldProblem, InvalidInputError
from runtime.event_store.commits.commit import UnreadableCommit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.entry.operator.arguments import Arguments
    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.event_module import EventModule

__all__ = ["CommitPage", "page_of"]


@dataclass(frozen=True, slots=True)
class CommitPage:
    """One page of commits.

    Attributes:
        commits: The commits: those of an aggregate one after the other, the oldest first; in place of those
            that make no sense, what can be told of them.
        before: ``pk`` of the aggregate that the page before has ended with; None on the first one.
        token: Goes on with the page behind this one; None behind the last one.
    """

    commits: Sequence[Commit | UnreadableCommit]
    before: str | None
    token: str | None

    def aggregates(self) -> list[Key]:
        """The aggregates that the commits are of, in order."""
        return list(dict.fromkeys(commit.key for commit in self.commits if commit.key is not None))

    def strays(self) -> list[UnreadableCommit]:
        """What looks like commits, and can be no aggregate's."""
        return [one for one in self.commits if isinstance(one, UnreadableCommit) and one.key is None]


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
    last = _pk(commits[-1]) if commits else before
    token = None if following is None else json.dumps([last, following])
    return CommitPage(commits, before, token)


def _pk(commit: Commit | UnreadableCommit) -> str:
    return commit.pk if isinstance(commit, UnreadableCommit) else commit.key.pk


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
