"""What callers hand in: versions, and aggregates that an append goes on or is guarded by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from runtime.errors import FieldProblem, GapError, InvalidInputError, VersionError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.loaded import Loaded
from runtime.event_store.aggregates.rehydrate import last_version
from runtime.event_store.aggregates.tenants import check_access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.event_store.provider import Provider

__all__ = ["check_current", "check_version", "guarded_versions"]


def check_version(field: str, version: object) -> None:
    """Refuse what is no version.

    Raises:
        InvalidInputError: It is no whole number, or negative.
    """
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        message = f"must be a whole number, 0 or more, got {version!r}"
        raise InvalidInputError([FieldProblem(field, message)])


def check_current(field: str, loaded: object) -> None:
    """Refuse what was not read as it is now.

    Raises:
        InvalidInputError: It is no `Loaded`, or one of the past; or it was made by hand, with a key or a
            version that none has.
    """
    if not isinstance(loaded, Loaded):
        message = f"must be what get_aggregate, append or a command returned, got {type(loaded).__name__}"
        raise InvalidInputError([FieldProblem(field, message)])
    if loaded.is_past:
        message = (
            f"{loaded.key.pk} at version {loaded.version} is of the past: it was read with at_version or "
            "at_time, or is what a repeated command once made; read it again, as it is now"
        )
        raise InvalidInputError([FieldProblem(field, message)])
    check_version(f"{field}.version", loaded.version)
    key = loaded.key
    # Under another spelling of its tenant there would be another aggregate, which nobody finds again.
    if not isinstance(key, Key) or Key.checked(*key) != key:
        message = f"must have a Key with its tenant in lower case, got {key!r}"
        raise InvalidInputError([FieldProblem(f"{field}.key", message)])


def guarded_versions(
    provider: Provider, guards: Iterable[Loaded[Any]], appended: Mapping[Key, int]
) -> dict[Key, int]:
    """The versions that guarded aggregates must still have, without those that are appended to.

    Args:
        provider: Where they are: what it has not told itself is compared with what is stored.
        guards: The aggregates, as they were read.
        appended: What the append goes on: it proves by itself that these have not moved.

    Raises:
        InvalidInputError: One is of the past, or given at two versions, or they are no list.
        VersionError: One was made by hand, or is another provider's, and is not what is stored; `GapError`
            where it is beyond that.
        ForbiddenError: The caller may not read it.
    """
    if isinstance(guards, Loaded | str) or not isinstance(guards, Iterable):
        message = f"must be a list of aggregates, such as [ann], got {type(guards).__name__}"
        raise InvalidInputError([FieldProblem("guards", message)])
    versions = dict(appended)
    for guard in guards:
        check_current("guards", guard)
        check_access(guard.key, write=False)
        if not guard.is_proof_for(provider):
            _check_told(guard, last_version(provider, guard.key))
        if versions.setdefault(guard.key, guard.version) != guard.version:
            message = f"{guard.key.pk} is given at two versions, {versions[guard.key]} and {guard.version}"
            raise InvalidInputError([FieldProblem("guards", f"{message}; read it once")])
    return {key: version for key, version in versions.items() if key not in appended}


def _check_told(guard: Loaded[Any], last: int) -> None:
    if guard.version > last:
        raise GapError(guard.key.pk, guard.version, last)
    if guard.version < last:
        raise VersionError(guard.key.pk, guard.version)
