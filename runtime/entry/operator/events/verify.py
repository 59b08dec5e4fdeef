"""Whether what is stored is whole: no commit is missing, every event is read, every kept state is right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.entry.operator.events.pages import page_of
from runtime.entry.operator.events.stored import IN_WHAT_IS_STORED, key_of, not_found, unknown_stream
from runtime.entry.operator.sizes import fitting
from runtime.event_store.metadata import meta_in

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.event_module import EventModule

__all__ = ["verify"]


def verify(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Check the aggregates that one page of a module's commits is about, or the one that ``pk`` names.

    Each is read as a whole, and folded by today's code. Nothing is written.
    """
    found = _Found()
    if arguments.optional_text("pk") is not None:
        key = key_of(arguments)
        if key.stream not in module.domain.aggregates:
            raise unknown_stream(module, key)
        if not found.check(module, key):
            raise not_found()
        return found.document(scanned=found.commits, token=None)
    page = page_of(module, arguments)
    for key in page.aggregates():
        # The one that the page before has ended with was looked at as a whole.
        if key.pk != page.before:
            found.check(module, key)
    for stray in page.strays():
        found.note(stray.pk, stray.version, stray.error, str(stray.error))
    return found.document(scanned=len(page.commits), token=page.token)


@dataclass(slots=True)
class _Found:
    """What was looked at, and what is wrong with it."""

    aggregates: int = 0
    commits: int = 0
    events: int = 0
    states: int = 0
    erased: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)

    def document(self, *, scanned: int, token: str | None) -> dict[str, Any]:
        shown = fitting(self.problems)
        return {
            "aggregates": self.aggregates,
            "events": self.events,
            "states": self.states,
            "erased": self.erased,
            "problems": shown,
            "moreProblems": len(self.problems) - len(shown),
            "scanned": scanned,
            "resumeToken": token,
        }

    def check(self, module: EventModule, key: Key) -> bool:
        """Check an aggregate; False where there is none."""
        aggregate = module.domain.aggregates[key.stream]
        fold = _Fold(aggregate, aggregate.create())
        before = self.commits
        try:
            for commit in module.domain.provider.read(key):
                self.commits += 1
                self._take(fold, commit)
        except IN_WHAT_IS_STORED as error:  # commits are missing, or an event is not read
            self.note(key.pk, fold.version + 1, error, str(error))
        except _FoldError as error:
            self.note(key.pk, fold.version + 1, error.raised, "the fold raised it: mend the fold")
        self.aggregates += 1
        self.erased += fold.is_erased
        return self.commits > before or bool(self.problems)

    def _take(self, fold: _Fold, commit: Commit) -> None:
        if commit.is_erased or commit.closes:
            fold.is_erased, fold.version = True, commit.last
            return
        self.events += len(commit.events)
        fold.follow(commit)
        if fold.has_stamp_of(commit):
            self.states += 1
            if problem := fold.difference(commit):
                self.problems.append({"pk": commit.key.pk, "version": commit.last, **problem})

    def note(self, pk: str, version: int, error: Exception, problem: str) -> None:
        """Note that something is wrong at a version."""
        kind = type(error).__name__
        self.problems.append({"pk": pk, "version": version, "kind": kind, "problem": problem})


class _FoldError(Exception):
    """Whatever a fold has raised, whose text may quote the event."""

    def __init__(self, raised: Exception) -> None:
        super().__init__()
        self.raised = raised


@dataclass(slots=True)
class _Fold:
    """An aggregate on the way through its commits, by today's code."""

    aggregate: Aggregate[Any, Any]
    state: Any
    version: int = 0
    is_erased: bool = False

    def follow(self, commit: Commit) -> None:
        """Fold the events of a commit."""
        for version, stored in enumerate(commit.events, commit.first):
            event = self.aggregate.types.read(stored, commit.key, version)
            try:
                self.state = self.aggregate.next_state(self.state, event, meta_in(commit, version))
            except Exception as error:
                raise _FoldError(error) from error
            self.version = version

    def has_stamp_of(self, commit: Commit) -> bool:
        """Whether a commit keeps a state that a load would begin with."""
        persist = self.aggregate.persist
        return persist is not None and commit.state is not None and commit.fold == persist.version

    def difference(self, commit: Commit) -> dict[str, str] | None:
        """What is wrong with the state that a commit keeps; None where it is what its events make."""
        try:
            kept = self.aggregate.restored(commit.state)
        except ValueError as error:
            return {"kind": "KeptStateUnreadable", "problem": f"{error}; change Persist.version"}
        if kept == self.state:
            return None
        problem = (
            f"the state that is kept under the fold {commit.fold!r} is not what the events make today: "
            "change Persist.version together with the fold"
        )
        return {"kind": "KeptStateDiffers", "problem": problem}
