"""The page docs/performance.md: what the figures come to, and what there is to say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bench import (
    beside_boto3,
    bill,
    cold_start,
    counts,
    events,
    latency,
    left,
    limits,
    reference,
    synth,
    throughput,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["CHAPTERS", "PARTS", "Chapter", "Figures", "Part", "page"]

#: What the parts have written, by their names.
Figures: TypeAlias = "Mapping[str, Mapping[str, Any]]"


@dataclass(frozen=True, slots=True)
class Part:
    """A benchmark, which is a command and a JSON file.

    Attributes:
        name: Name of its module, and of its file.
        table: Makes its table of its figures.
        quick: Options to see in little time that it works.
    """

    name: str
    table: Callable[[Mapping[str, Any]], Iterable[str]]
    quick: Sequence[str] = ()

    def of(self, figures: Figures) -> Iterable[str]:
        """Its table."""
        return self.table(figures[self.name])


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of the page.

    Attributes:
        title: Its title.
        parts: Names of the parts whose figures it has.
        body: Makes what it shows.
        text: What the figures are, and how they are taken.
        chart: Name of a chart; empty for none.
    """

    title: str
    parts: Sequence[str]
    body: Callable[[Figures], Iterable[str]]
    text: str = ""
    chart: str = ""


_COUNTS: Final = Part("counts", counts.table)
_BESIDE_BOTO3: Final = Part("beside_boto3", beside_boto3.table, ("--blocks", "2", "--calls", "3"))
_THROUGHPUT: Final = Part("throughput", throughput.table, ("--blocks", "2", "--calls", "16"))
_LATENCY: Final = Part("latency", latency.table, ("--commands", "5"))
_COLD_START: Final = Part("cold_start", cold_start.table, ("--rounds", "1"))
_EVENTS: Final = Part("events", events.table, ("--aggregates", "5", "--turns", "2"))
_SYNTH: Final = Part("synth", synth.table, ("--rounds", "1"))
_LIMITS: Final = Part("limits", limits.table)
_BILL: Final = Part("bill", bill.table)

#: In the order in which they are run: what takes little time is first.
PARTS: Final = (
    _COUNTS,
    _LIMITS,
    _BILL,
    _EVENTS,
    _COLD_START,
    _SYNTH,
    _THROUGHPUT,
    _BESIDE_BOTO3,
    _LATENCY,
)

CHAPTERS: Final = (
    Chapter("One command beside the reference system", reference.PARTS, reference.chapter),
    Chapter(
        "On the wire",
        ["counts"],
        _COUNTS.of,
        "Calls of DynamoDB, how many of them wait for another, and units as AWS bills them. "
        "`tests/cost/test_counts.py` asserts each figure.",
        chart="calls",
    ),
    Chapter(
        "CPU beside bare boto3",
        ["beside_boto3"],
        _BESIDE_BOTO3.of,
        "Bare boto3, with its defaults, sends the very requests that ours sends, with rows that are made "
        "beforehand: it builds, decides and checks nothing. The last column has a client as the library "
        "makes it, which sends the same and does no more.",
        chart="cpu",
    ),
    Chapter(
        "Publishes per second",
        ["throughput"],
        _THROUGHPUT.of,
        "Clients are threads of one process; the local AWS is another one, and takes most of the time of "
        "both sides.",
    ),
    Chapter(
        "From publish to data row",
        ["latency"],
        _LATENCY.of,
        "One command after another over HTTP, the modes in turns, until the data row is there. On the "
        "emulator of this machine, for comparing the modes; not AWS.",
        chart="latency",
    ),
    Chapter(
        "Cold starts",
        ["cold_start"],
        _COLD_START.of,
        "CPU of the init phase of each function of the demo as it is deployed, beside a process that "
        "imports boto3 and makes the clients which the function uses.",
        chart="cold-starts",
    ),
    Chapter(
        "Aggregates of events",
        ["events"],
        _EVENTS.of,
        "CPU of loads and appends in memory, beside the library `eventsourcing`; see `bench/README.md` for "
        "what each side does.",
    ),
    Chapter(
        "Synthesis",
        ["synth"],
        _SYNTH.of,
        "The app alone, without the CDK CLI. Sixty modules are those of "
        "[into your own account](guide/your-account.md#many-modules): with handlers, and by "
        "`nested_alarms=True`.",
    ),
    Chapter(
        "Ten, a thousand and a hundred thousand commands a second",
        ["limits"],
        _LIMITS.of,
        "A model, and no measurement; what it assumes stands in [limits](limits.md).",
    ),
    Chapter(
        "What is billed",
        ["bill"],
        _BILL.of,
        "A hundred million updates of 1 KB a month, at list prices; all items, and your own numbers, by "
        "`cqrs cost` and in [costs](costs.md).",
    ),
    Chapter("The three largest costs that are left", left.PARTS, left.chapter),
)

_HEAD: Final = """\
# How fast it is

`make bench` writes this page. Each chapter has the commands that make its figures, the machine and the day;
the raw numbers are in [figures.json](performance/figures.json). Machines are noisy: compare ratios, which are
taken of both sides in turns, and not milliseconds. Nothing here was measured on AWS."""


def page(figures: Figures) -> str:
    """The whole page; it says no figure that ``figures`` lacks."""
    return "\n\n".join([_HEAD, *("\n\n".join(_paragraphs(chapter, figures)) for chapter in CHAPTERS)]) + "\n"


def _paragraphs(chapter: Chapter, figures: Figures) -> Iterator[str]:
    yield f"## {chapter.title}"
    if chapter.text:
        yield chapter.text
    own = {part: figures[part] for part in chapter.parts}
    yield "\n".join(["```sh", *(f".venv/bin/{part['command']}" for part in own.values()), "```"])
    made = dict.fromkeys(f"{part['machine']}, {part['at'][:10]}" for part in own.values())
    yield f"*{'; '.join(made)}*"
    yield "\n".join(chapter.body(own))
    if chapter.chart:
        yield f"![{chapter.title}](performance/{chapter.chart}.svg)"
