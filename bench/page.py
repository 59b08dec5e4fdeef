"""The page docs/performance.md: what the commands print, and what there is to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PARTS", "Part", "page"]


@dataclass(frozen=True, slots=True)
class Part:
    """A benchmark, and its chapter.

    Attributes:
        name: Name of its module, and of its JSON file.
        title: Title of the chapter.
        options: What it is called with.
        text: What the figures are, and how they are taken.
        chart: Name of a chart; empty for none.
    """

    name: str
    title: str
    text: str
    options: str = ""
    chart: str = ""

    @property
    def command(self) -> str:
        """The command that makes the figures."""
        return f"python -m bench.{self.name} {self.options}".strip()


PARTS: Final = (
    Part(
        "counts",
        "On the wire",
        "Calls of DynamoDB, how many of them wait for another, and units as AWS bills them. "
        "`tests/cost/test_counts.py` asserts each figure. Beside them the calls of MBC CQRS Serverless "
        "1.2.5, as they were counted when it was run; for an update it also sends 12 notifications where "
        "ours sends 1, and takes 9 to 11 transitions and 7 invocations.",
        chart="calls",
    ),
    Part(
        "beside_boto3",
        "CPU beside bare boto3",
        "Bare boto3, with its defaults, sends the very requests that ours sends, with rows that are made "
        "beforehand: it builds, decides and checks nothing.",
        options="--blocks 9",
    ),
    Part(
        "throughput",
        "Publishes per second",
        "Clients are threads of one process; the local AWS is another one, and takes most of the time of "
        "both sides.",
        options="--blocks 5 --calls 60",
    ),
    Part(
        "cold_start",
        "Cold starts",
        "CPU of the init phase of each function of the demo as it is deployed, beside a process that "
        "imports boto3 and makes the clients which the function uses.",
        options="--rounds 5",
        chart="cold-starts",
    ),
    Part(
        "events",
        "Aggregates of events",
        "CPU of loads and appends in memory, beside the library `eventsourcing`; see `bench/README.md` for "
        "what each side does.",
    ),
    Part(
        "synth",
        "Synthesis",
        "The app alone, without the CDK CLI. Sixty modules are those of "
        "[into your own account](guide/your-account.md).",
        options="--rounds 2",
    ),
    Part(
        "limits",
        "Ten, a thousand and a hundred thousand commands a second",
        "A model, and no measurement; what it assumes stands in [limits](limits.md).",
    ),
)

_HEAD: Final = """\
# How fast it is

Written by `make bench` on {date}: {machine}. Each chapter has the command that makes its figures; the raw
numbers are in `build/bench`. Machines are noisy: compare ratios, which are taken of both sides in turns, and
not milliseconds. Nothing here was measured on AWS. Prices are in [costs](costs.md), quotas in
[limits](limits.md).
"""


def page(tables: Mapping[str, str], machine: str, date: str) -> str:
    """The whole page.

    Args:
        tables: What each part has printed, by its name.
        machine: What it ran on.
        date: When.
    """
    chapters = [_HEAD.format(date=date, machine=machine)]
    for part in PARTS:
        chart = f"![{part.title}](performance/{part.chart}.svg)\n\n" if part.chart else ""
        command = f"```sh\n.venv/bin/{part.command}\n```"
        chapter = f"## {part.title}\n\n{part.text}\n\n{command}\n\n{tables[part.name]}\n\n{chart}"
        chapters.append(chapter.rstrip("\n") + "\n")
    return "\n".join(chapters)
