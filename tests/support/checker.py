"""The one checker of what must always be true of a module's tables: I1 to I6.

- I1 every accepted command is applied and seen by every handler, or visibly failed or parked
- I2 the data row is what the latest applied command makes of it; versions have no gap
- I3 every replaced state has its history row, which is the data row as it was
- I4 each version has exactly one winner, and the winner's command is the one that is stored
- I5 each handler saw each aggregate's versions in order, none left out
- I6 the end is that of an undisturbed run: `assert_same_end` of tests.support.rows

What a data row has to be is worked out here anew, not by the code that is checked.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.model.keys import add_sort_key_version, remove_sort_key_version
from runtime.model.status import APPLY_FAILED, FINISHED, HANDLERS_FAILED
from tests.support.rows import Row, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runtime.model.models import CommandModel
    from tests.support.service import Service

__all__ = ["Accepted", "Seen", "check_invariants", "violations"]

#: What a command says about the aggregate; what it leaves out is not in the data row.
_STATE = (
    *("pk", "id", "code", "name", "tenantCode", "type", "seq", "attributes", "schemaVersion", "isDeleted"),
    "lifeId",
    *("requestId", "updatedAt", "updatedBy", "updatedIp"),
)
_OF_THE_FIRST = ("createdAt", "createdBy", "createdIp")


class Accepted(NamedTuple):
    """A version that a publish was told it had won; ``name`` is what it published under."""

    pk: str
    sk: str
    version: int
    name: str | None = None

    @classmethod
    def of(cls, command: CommandModel[Any]) -> Accepted:
        return cls(command.pk, remove_sort_key_version(command.sk), command.version, command.name)


class Seen(NamedTuple):
    """A call of a handler that came to its end, in the order of these ends."""

    handler: str
    pk: str
    sk: str
    version: int


def check_invariants(
    service: Service,
    *,
    accepted: Iterable[Accepted | CommandModel[Any]] | None = None,
    seen: Iterable[Seen] | None = None,
    all_known: bool = False,
    but: frozenset[str] = frozenset(),
) -> Rows:
    """Assert I2 to I4 of a module's tables as they are now, and return them.

    Args:
        service: The module and its tables.
        accepted: What publish returned: asserts I1, so the pipeline must have come to its end.
        seen: What the handlers saw: asserts I5.
        all_known: No publish crashed: there is no command beside those of ``accepted``.
        but: Columns of data and history rows that are not compared.
    """
    module, rows = service.module, Rows.read(service.client, service.tables)
    found = violations(
        rows,
        accepted=accepted,
        seen=seen,
        handlers=[reference.name for reference in module.handlers],
        data_rows=not module.disable_default_handler,
        all_known=all_known,
        but=but,
    )
    assert not found, "\n".join(found)
    return rows


def violations(
    rows: Rows,
    *,
    accepted: Iterable[Accepted | CommandModel[Any]] | None = None,
    seen: Iterable[Seen] | None = None,
    handlers: Iterable[str] = (),
    data_rows: bool = True,
    all_known: bool = False,
    but: frozenset[str] = frozenset(),
) -> list[str]:
    """What is not as it must be; empty when all is well. See `check_invariants`.

    Args:
        rows: The tables.
        accepted: What publish returned, or None when that is not known.
        seen: What the handlers saw, or None when that is not known.
        handlers: Names of the module's handlers.
        data_rows: False for a module without data and history rows.
        all_known: No publish crashed.
        but: Columns of data and history rows that are not compared.
    """
    names = list(handlers)
    found = list(_data_and_history(rows, but)) if data_rows else []
    if accepted is not None:
        winners = [w if isinstance(w, Accepted) else Accepted.of(w) for w in accepted]
        found += _lost(rows, winners, names, data_rows=data_rows)
        found += _winners(rows, winners, all_known=all_known)
    if seen is not None:
        found += _order(rows, list(seen), names)
    return found


def _lost(rows: Rows, accepted: Iterable[Accepted], handlers: list[str], *, data_rows: bool) -> Iterator[str]:
    """I1, of commands that publishers know of and of those that they do not."""
    commands = rows.versions()
    known = {(pk, sk): dict.fromkeys(versions) for (pk, sk), versions in commands.items()}
    for pk, sk, version, _ in accepted:
        known.setdefault((pk, sk), {})[version] = None
    for (pk, sk), versions in known.items():
        applied = int(rows.data.get((pk, sk), {}).get("version", 0))
        for version in versions:
            where = f"I1 {pk} {sk}@{version}:"
            command = commands.get((pk, sk), {}).get(version)
            if command is None:
                yield f"{where} it was accepted, and there is no such command"
                continue
            status = command.get("status")
            if data_rows and applied < version:
                if status != APPLY_FAILED:
                    yield f"{where} it is not applied (data is at {applied}) and its status is {status}"
                continue
            behind = [name for name in handlers if _cursor(rows, name, pk, sk) < version]
            if unseen := [name for name in behind if _parked_at(rows, name, pk, sk) is None]:
                yield f"{where} {unseen} are neither done with it nor parked; its status is {status}"
            # One that saw it in the end, and is parked at it still, is settled by the same repair.
            parked = any(_parked_at(rows, name, pk, sk) == version for name in handlers)
            if status != (HANDLERS_FAILED if behind else FINISHED) and not (
                parked and status == HANDLERS_FAILED
            ):
                yield f"{where} its status is {status} while {behind or 'nobody'} is behind"


def _data_and_history(rows: Rows, but: frozenset[str]) -> Iterator[str]:
    """I2 and I3."""
    aggregates = rows.versions()
    unexpected = set(rows.history)
    for (pk, sk), commands in aggregates.items():
        top, at = max(commands), int(rows.data.get((pk, sk), {}).get("version", 0))
        replaced = [version for version in range(1, at) if not _begins_life(commands, version + 1)]
        unexpected -= {(pk, add_sort_key_version(sk, version)) for version in replaced}
        if missing := sorted(set(range(1, top + 1)) - set(commands)):
            yield f"I2 {pk} {sk}: the versions {missing} are missing below {top}"
            continue
        if at > top or (at < top and commands[at + 1].get("status") != APPLY_FAILED):
            yield f"I2 {pk} {sk}: data is at {at}, commands at {top}"
        states = _states(sk, commands, min(at, top))
        if at in states and (difference := _difference(rows.data[pk, sk], states[at], but, commands[at])):
            yield f"I2 {pk} {sk}: data at {at} {difference}"
        for version in replaced:
            key = (pk, add_sort_key_version(sk, version))
            if key not in rows.history:
                yield f"I3 {pk} {key[1]}: no history row"
            elif version in states and (
                difference := _difference(rows.history[key], states[version] | {"sk": key[1]}, but)
            ):
                yield f"I3 {pk} {key[1]}: history {difference}"
    yield from (f"I2 {key}: data without a command" for key in rows.data if key not in aggregates)
    yield from (f"I3 {key}: history of a state that was not replaced" for key in unexpected)


def _begins_life(commands: Mapping[int, Row], version: int) -> bool:
    """Whether a version came after the item had expired: the state before it was not replaced."""
    before, own = (commands.get(number, {}).get("lifeId") for number in (version - 1, version))
    return version > 1 and before is not None and own not in {None, before}


def _states(sk: str, commands: Mapping[int, Row], last: int) -> dict[int, Row]:
    """The data row after each version."""
    states: dict[int, Row] = {}
    first: Row = {}
    for version in range(1, last + 1):
        command = commands[version]
        if _begins_life(commands, version):
            first = {}
        for name in _OF_THE_FIRST:
            if name in command:
                first.setdefault(name, command[name])
        own = {name: command[name] for name in _STATE if command.get(name) is not None}
        keys = {"sk": sk, "version": version, "cpk": command["pk"], "csk": command["sk"]}
        states[version] = own | first | keys
    return states


def _difference(row: Row, expected: Row, but: frozenset[str], command: Row | None = None) -> str | None:
    """How a row is not as it has to be, or None. Its ``ttl`` counts where the caller gave one."""
    expected = dict(expected)
    if command and command.get("dataTtl") is not None:
        expected["ttl"] = command["dataTtl"]
    elif "ttl" in row:
        expected["ttl"] = row["ttl"]
    wrong = {name for name in {*row, *expected} - but if row.get(name) != expected.get(name)}
    if not wrong:
        return None
    return "; ".join(f"has {name}={row.get(name)!r} and not {expected.get(name)!r}" for name in sorted(wrong))


def _winners(rows: Rows, accepted: list[Accepted], *, all_known: bool) -> Iterator[str]:
    """I4."""
    won: dict[tuple[str, str, int], Accepted] = {}
    for winner in accepted:
        place = winner[:3]
        if place in won:
            yield f"I4 {winner.pk} {winner.sk}@{winner.version}: two publishes were told that they won"
        won[place] = winner
    for (pk, sk), commands in rows.versions().items():
        for version, command in commands.items():
            told = won.get((pk, sk, version))
            if told is None and all_known:
                yield f"I4 {pk} {sk}@{version}: there is a command, and no publish was told so"
            if told is not None and told.name is not None and told.name != command.get("name"):
                yield f"I4 {pk} {sk}@{version}: {told.name!r} won, and {command.get('name')!r} is stored"


def _order(rows: Rows, seen: list[Seen], handlers: list[str]) -> Iterator[str]:
    """I5: first sights are in order and without a gap, and a cursor is never ahead of them."""
    sights: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for handler, pk, sk, version in seen:
        if version not in sights[handler, pk, sk]:
            sights[handler, pk, sk].append(version)
    for handler in handlers:
        for pk, sk in rows.versions():
            where = f"I5 {handler} at {pk} {sk}:"
            row = rows.sync.get((pk, f"{handler}#{sk}"), {})
            skipped = {int(entry["version"]) for entry in row.get("skipped", ())}
            saw, done = sights[handler, pk, sk], int(row.get("version", 0))
            if saw != sorted(saw):
                yield f"{where} saw the versions in the order {saw}"
            if gap := sorted(set(range(1, max([done, *saw]) + 1)) - set(saw) - skipped):
                yield f"{where} never saw {gap}, and is at {done}"


def _cursor(rows: Rows, handler: str, pk: str, sk: str) -> int:
    return int(rows.sync.get((pk, f"{handler}#{sk}"), {}).get("version", 0))


def _parked_at(rows: Rows, name: str, pk: str, sk: str) -> int | None:
    """Wherever it is parked, a repair shows it all that it is behind with."""
    version = rows.sync.get((pk, f"{name}#{sk}"), {}).get("parkedVersion")
    return None if version is None else int(version)
