"""What features add to the command line: groups of verbs, those of the library and those of packages.

A package of one's own names its group in its ``pyproject.toml``::

    [project.entry-points."cdk_cqrs.cli"]
    billing = "billing.cli:GROUP"

The entry point has the name of the group, and leads to a `VerbGroup`. It is imported when it is asked for,
and for the help: what does not import must not keep anybody from the other commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.cli.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Collection, Iterable
    from importlib.metadata import EntryPoint

    from constructs_lib.cli.context import Context, Result

__all__ = ["ENTRY_POINTS", "BrokenGroup", "Verb", "VerbGroup", "groups_of_packages"]

ENTRY_POINTS: Final = "cdk_cqrs.cli"

_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
_HELP: Final = ("-h", "--help")


def _nothing(parser: ArgumentParser) -> None:
    """A verb without arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Something that the command line does, such as ``list`` of ``cqrs sequence list``.

    Attributes:
        name: Its name: lower case letters, digits and "-".
        summary: What it does, in a few words, without a full stop.
        run: Does it. It asks the operator function (``context.operator``), finds what its arguments were in
            ``context.options``, and returns what is shown; the exit code is a part of that.
        add_arguments: Adds its arguments, as `argparse` does. Those that say where the service is, ``--json``
            and ``--debug`` are there already. Default: it has none.
    """

    name: str
    summary: str
    run: Callable[[Context], Result]
    add_arguments: Callable[[ArgumentParser], None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbGroup:
    """The verbs of a feature: ``cqrs sequence list``, ``cqrs sequence show``, and so on.

    Attributes:
        name: Name of the group, mostly that of the feature.
        summary: What it is about, in a few words, without a full stop.
        verbs: The verbs, in the order that the help has.
    """

    name: str
    summary: str
    verbs: tuple[Verb, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be asked for.

        Raises:
            ValueError: A name is none, or two verbs have one.
        """
        names = [self.name, *(verb.name for verb in self.verbs)]
        for name in names:
            if not _NAME.fullmatch(name):
                message = f"a verb of the command line is named like 'show-all', got {name!r} in {names}"
                raise ValueError(message)
        if len({*names[1:]}) != len(names) - 1 or not self.verbs:
            message = f"the group {self.name!r} needs verbs of different names, got {names[1:]}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class BrokenGroup:
    """A group that cannot be used.

    Attributes:
        name: Its name.
        error: Why.
    """

    name: str
    error: UsageError


def groups_of_packages(words: Iterable[str], taken: Collection[str]) -> list[VerbGroup | BrokenGroup]:
    """Give the groups of the packages that are installed here, as far as they are asked for.

    Args:
        words: The command line.
        taken: Names of the library's own commands.

    Returns:
        Those that the command line names, and all for its help; those that are none, or do not import, too.

    Raises:
        UsageError: A group has the name of another command.
    """
    said = set(words)
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=_origin):
        if point.name in taken:
            message = f"the command {point.name!r} of the package {_origin(point)} is one of cqrs; rename it"
            raise UsageError(message)
        if (other := found.setdefault(point.name, point)) is not point and other.value != point.value:
            message = (
                f"the command {point.name!r} is one of the packages {_origin(other)} and {_origin(point)}; "
                "rename or uninstall one"
            )
            raise UsageError(message)
    is_help = bool(said.intersection(_HELP))
    return [_loaded(point) for name, point in found.items() if is_help or name in said]


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _loaded(point: EntryPoint) -> VerbGroup | BrokenGroup:
    whose = f"the command {point.name!r} of the package {_origin(point)}"
    try:
        group: Any = point.load()
    except Exception as error:  # noqa: BLE001 - it is somebody else's code
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return BrokenGroup(point.name, UsageError(f"{whose} cannot be imported ({reason})"))
    if isinstance(group, VerbGroup) and group.name == point.name:
        return group
    message = f"{whose} must be a VerbGroup of that name, got {group!r} as {point.value}"
    return BrokenGroup(point.name, UsageError(message))
