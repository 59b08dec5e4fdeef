"""What is stored: the aggregates of a module, the events of one, and one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.entry.operator.events.pages import page_of
from runtime.entry.operator.sizes import fitting
from runtime.errors import (
    CorruptRowError,
    FieldProblem,
    InvalidInputError,
    ItemNotFoundError,
    NewerSchemaError,
    UpcastError,
)
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import UnreadableCommit
from runtime.model.keys import lower_case_tenant
from runtime.store.codec import isoformat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.events.pages import CommitPage
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.event_module import EventModule

__all__ = ["IN_WHAT_IS_STORED", "list_aggregates", "list_events", "newest_of", "show_event"]

IN_WHAT_IS_STORED: Final = (CorruptRowError, NewerSchemaError, UpcastError)
"""Errors that say what is wrong with what is stored. Any other, as that of a busy store, says nothing."""


def list_aggregates(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """List the aggregates that begin on one page of a module's commits, with the versions that they have.

    One call, and one more for the last aggregate of a page, which may go on behind it.
    """
    tenant = arguments.optional_text("tenant")
    tenant = None if tenant is None else lower_case_tenant(tenant)
    page = page_of(module, arguments)
    aggregates = [
        {"pk": key.pk, **_newest(commit)}
        for key, commit in newest_of(module, page).items()
        if key.pk != page.before and tenant in {None, key.tenant}
    ]
    # Keys and times of 1000 always fit into an answer.
    return {"aggregates": aggregates, "scanned": len(page.commits), "resumeToken": page.token}


def list_events(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """List the events of an aggregate, without what they say.

    Of a commit that makes no sense it is told as far as it does; ``nextVersion`` says where the next page
    begins.
    """
    key, after = key_of(arguments), arguments.version("after", default=0)
    limit = arguments.limit()
    entries: list[dict[str, Any]] = []
    for commit in module.domain.provider.read(key, after=after):
        entries += [entry for entry in _entries(commit) if entry["version"] > after]
        if len(entries) > limit:
            break
    if not entries and after == 0:
        raise not_found()
    shown = fitting(entries[:limit])
    following = shown[-1]["version"] if len(shown) < len(entries) else None
    return {"pk": key.pk, "events": shown, "after": following}


def show_event(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Tell all about one event: what it says as it is stored, and what today's code makes of it."""
    key, version = key_of(arguments), arguments.version("version")
    commit = next(iter(module.domain.provider.read(key, after=version - 1, until=version)), None)
    if commit is None:
        raise not_found()
    (entry,) = [found for found in _entries(commit) if found["version"] == version]
    stored = commit.events[version - commit.first] if commit.events else None
    return {
        "pk": key.pk,
        **entry,
        "commit": {"first": commit.first, "last": commit.last, "append": commit.append_id},
        "metadata": dict(commit.metadata),
        "body": dict(stored.body) if stored and not commit.is_erased else None,
        "problem": _problem(module, commit, version),
        "keepsState": commit.state is not None and version == commit.last,
    }


def newest_of(module: EventModule, page: CommitPage) -> dict[Key, Commit | UnreadableCommit]:
    """The last commit of each aggregate on a page; of one that makes no sense what can be told of it.

    One call for the last aggregate of a page, which may go on behind it.
    """
    found = {commit.key: commit for commit in page.commits if commit.key is not None}
    if found and page.token is not None:
        last, seen = next(reversed(found.items()))
        try:
            found[last] = next(iter(module.domain.provider.read_back(last, likely=1)), seen)
        except CorruptRowError as error:
            version = seen.version if isinstance(seen, UnreadableCommit) else seen.last
            found[last] = UnreadableCommit(pk=last.pk, key=last, version=version, types=None, error=error)
    return found


def key_of(arguments: Arguments) -> Key:
    """The aggregate that ``pk`` names, ``stream#id#tenant``, with the tenant as it is stored."""
    key = Key.of_pk(arguments.text("pk"))
    return key._replace(tenant=lower_case_tenant(key.tenant))


def not_found() -> ItemNotFoundError:
    """Error for an aggregate, or an event, that is not there."""
    return ItemNotFoundError("there is no such aggregate, or no such version of it")


def unknown_stream(module: EventModule, key: Key) -> InvalidInputError:
    """Error for a key whose stream is none of the module's aggregates."""
    streams = ", ".join(sorted(module.domain.aggregates))
    message = f"must be stream#id#tenant with a stream among {streams}, got {key.stream!r}"
    return InvalidInputError([FieldProblem("pk", message)])


def _newest(commit: Commit | UnreadableCommit) -> dict[str, Any]:
    if isinstance(commit, UnreadableCommit):
        return {"version": commit.version, "at": None, "isErased": False, "problem": str(commit.error)}
    is_erased = commit.is_erased or commit.closes
    return {"version": commit.last, "at": isoformat(commit.at), "isErased": is_erased, "problem": None}


def _entries(commit: Commit) -> Iterator[dict[str, Any]]:
    rest = {"at": isoformat(commit.at), "by": commit.user_id, "source": commit.metadata.get("source")}
    if commit.closes:
        yield {"version": commit.first, "type": None, "schema": None, **rest, "isErased": True}
    for version, event in enumerate(commit.events, commit.first):
        shown = {"version": version, "type": event.type, "schema": event.schema}
        yield {**shown, **rest, "isErased": commit.is_erased}


def _problem(module: EventModule, commit: Commit, version: int) -> str | None:
    """Why today's code does not read an event; None where it does, or where there is nothing to read."""
    aggregate = module.domain.aggregates.get(commit.key.stream)
    if aggregate is None or commit.is_erased or commit.closes:
        return None
    try:
        aggregate.types.read(commit.events[version - commit.first], commit.key, version)
    except IN_WHAT_IS_STORED as error:
        return str(error)
    return None
