"""`cqrs events`: what modules of events have stored, and whether it is whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import UsageError
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.modules import EVENTS, chosen_modules, one_module
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.sweeping import listed, sweep
from constructs_lib.cli.walk import MANY

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.cli.context import Context, Listing

__all__ = ["list_events", "show_event", "verify_events"]

#: Events that one call gives.
_PAGE = 1000
#: Options that are for all aggregates, not for one.
_OF_ALL = ("stream", "tenant", "segments", "page_size", "resume")


def list_events(context: Context) -> Result:
    """List the events of an aggregate, or without one the aggregates."""
    options = context.options
    if options.pk is None:
        if options.after is not None:
            message = "--after: is for the events of one aggregate; name its PK"
            raise UsageError(message)
        modules = chosen_modules(context, kind=EVENTS)
        arguments = {"stream": options.stream, "tenant": options.tenant}
        return sweep(
            context, "listAggregates", modules, arguments, _AggregatesTally, size=MANY, has_dry_run=False
        )
    _check_one(context)
    return _events_of(context)


def show_event(context: Context) -> Result:
    """Show all about one event: what it says, too."""
    options = context.options
    module = one_module(context, kind=EVENTS)
    found = context.operator.ask("showEvent", module=module, pk=options.pk, version=options.event_version)
    body = "erased" if found["isErased"] else json.dumps(found["body"], ensure_ascii=False, indent=2)
    facts = [
        ["type", found["type"]],
        ["schema", found["schema"]],
        ["at", found["at"]],
        ["by", found["by"]],
        *[[name, value] for name, value in sorted(found["metadata"].items())],
        ["commit", f"{found['commit']['first']}-{found['commit']['last']}"],
        ["append", found["commit"]["append"]],
        ["keeps the state", "yes" if found["keepsState"] else "no"],
    ]
    parts: list[Line | Table] = [
        Line(f"{module}  {found['pk']}  {found['version']}", "bold"),
        Line(),
        *(Line(line) for line in body.splitlines()),
        Line(),
        Table(["what", "value"], [[name, None if value is None else str(value)] for name, value in facts]),
    ]
    if found["problem"]:
        parts.append(Line(f"Today's code does not read it: {found['problem']}", "bold yellow"))
    return Result({"module": module, **found}, parts)


def verify_events(context: Context) -> Result:
    """Check that no commit is missing, that every event is read, and that kept states are right."""
    options = context.options
    if options.pk is None:
        modules = chosen_modules(context, kind=EVENTS)
        return sweep(
            context, "verifyEvents", modules, {"stream": options.stream}, _VerifyTally, has_dry_run=False
        )
    _check_one(context)
    module = one_module(context, kind=EVENTS)
    tally = _VerifyTally(module, context.listing)
    tally.add(context.operator.ask("verifyEvents", module=module, pk=options.pk))
    parts = [Table(tally.columns, [tally.cells()]), *tally.lists()]
    code = ExitCode.ATTENTION if tally.failures else ExitCode.FINE
    return Result({"modules": [tally.document()]}, parts, code)


def _check_one(context: Context) -> None:
    """Refuse what would choose among all aggregates, where one is named."""
    for name in _OF_ALL:
        if getattr(context.options, name):
            message = f"--{name.replace('_', '-')}: leave it out, or leave out PK"
            raise UsageError(message)


def _events_of(context: Context) -> Result:
    options = context.options
    module = one_module(context, kind=EVENTS)
    listing, after = context.listing(), options.after
    while True:
        # Events are not counted beyond what is shown: there may be millions.
        limit = max(1, min(_PAGE, listing.most - listing.total))
        page = context.operator.ask("listEvents", module=module, pk=options.pk, after=after, limit=limit)
        listing.add(page["events"])
        after = page["after"]
        if after is None or listing.total >= listing.most:
            break
    document = {"module": module, "pk": page["pk"], "events": listing.entries, "after": after}
    rows = [
        [entry["version"], _type(entry), entry["at"], entry["by"], entry["source"], entry["schema"]]
        for entry in listing.entries
    ]
    parts: list[Line | Table] = [
        Line(f"{module}  {page['pk']}", "bold"),
        Line(),
        Table(["version", "type", "at", "by", "source", "schema"], rows),
    ]
    if after is not None:
        parts.append(Line(f"… and more; --after {after} goes on, and --list N shows more at once"))
    return Result(document, parts)


def _type(entry: dict[str, Any]) -> str:
    if entry["type"] is None:
        return "closed"
    return f"{entry['type']} (erased)" if entry["isErased"] else str(entry["type"])


def _yes(aggregate: dict[str, Any]) -> str:
    return "yes" if aggregate["isErased"] else "no"


class _AggregatesTally:
    """Pages of `cqrs events list` of one module."""

    columns: ClassVar[tuple[str, ...]] = ("module", "commits", "aggregates")

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        self.module = module
        self.scanned = 0
        self.found = listing()

    @property
    def failures(self) -> int:
        """Nothing of it can fail."""
        return 0

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        self.scanned += page["scanned"]
        self.found.add(page["aggregates"])

    def note(self) -> str:
        """What was found so far, in words."""
        return f"{self.module}: {self.found.total} aggregates"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "module": self.module,
            "scanned": self.scanned,
            "aggregates": self.found.entries,
            "aggregatesTotal": self.found.total,
        }

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, self.scanned, self.found.total]

    def lists(self) -> list[Line | Table]:
        """The aggregates."""
        shown = replace(self.found, entries=[{**one, "erased": _yes(one)} for one in self.found.entries])
        problem = ["problem"] if any(one["problem"] for one in shown.entries) else []
        columns = ("pk", "version", "at", "erased", *problem)
        return listed(shown, f"Aggregates of {self.module}", columns)


class _VerifyTally:
    """Pages of `cqrs events verify` of one module."""

    columns: ClassVar[tuple[str, ...]] = (
        "module",
        "aggregates",
        "events",
        "kept states",
        "erased",
        "problems",
    )
    _COUNTS: ClassVar[tuple[str, ...]] = ("aggregates", "events", "states", "erased")

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        self.module = module
        self.scanned = 0
        self.counts = dict.fromkeys(self._COUNTS, 0)
        self.problems = listing()

    @property
    def failures(self) -> int:
        """How much is wrong."""
        return self.problems.total

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        self.scanned += page["scanned"]
        for name in self.counts:
            self.counts[name] += page[name]
        self.problems.add(page["problems"])
        self.problems.total += page["moreProblems"]

    def note(self) -> str:
        """What was found so far, in words."""
        return f"{self.module}: {self.counts['aggregates']} aggregates, {self.problems.total} problems"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "module": self.module,
            "scanned": self.scanned,
            **self.counts,
            "problems": self.problems.entries,
            "problemsTotal": self.problems.total,
        }

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, *self.counts.values(), self.problems.total]

    def lists(self) -> list[Line | Table]:
        """What is wrong."""
        return listed(self.problems, f"Wrong in {self.module}", ("pk", "version", "kind", "problem"))
