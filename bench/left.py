"""The three largest costs that are left: named, with what was tried."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

from bench.bill import items_of
from bench.reference import NAME, WAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["PARTS", "chapter"]

#: Parts whose figures it is about.
PARTS: Final = ("bill", "beside_boto3", "counts")

_TEXT: Final = """\
Two in dollars, for a million commands where a hundred million come in a month, and one in time.

**1. State transitions of Step Functions, in workflow mode**: ${transitions} of ${workflow}, {share}.

- Tried: a command without data sync handlers is an execution of one state, {without} transitions with its
  start ([0052](adr/0052-without-handlers-an-execution-is-one-state.md)). One handler makes it {with_one},
  where {reference} has {theirs}, and ${workflow_handled} in all: the choice, the map around the handlers,
  each handler, and the end. A burst of versions of an aggregate is one execution for a batch of the stream.
- The way out: `Processing.INLINE` for modules without handlers, ${inline}; `WorkflowType.EXPRESS` for those
  with handlers, ${express_handled}, or without, ${express}. Neither is the default: a standard execution
  has a history, and a name that makes starting it twice harmless ([costs](costs.md)).

**2. What accumulates: storage of commands and history, and its backups**: ${kept_1} where they are kept for
a month, ${kept_12} for a year, ${kept_36} for three.

- Tried: retention of commands and of history by tenant ([retention](guide/retention.md)), which is no
  default, as what has expired cannot be looked at; attributes of smaller rows in S3, where each read is
  then a call more ([0051](adr/0051-attributes-stay-in-rows-up-to-100-kb.md)).
- Next in dollars are the writes, ${writes}: {units} units an update, where {reference} writes {their_units}
  with one handler and ours {units_handled}.

**3. botocore's CPU in each call**: an update's publish takes {ours} ms, and a client that sends the same
requests, with nothing of ours around it, {client} ms of these: {client_share}.

- Tried: no validation of parameters that the library has made, one text for the User-Agent header, a signer
  that keeps the key of the day, `json` for requests and answers, connections of `http.client` in the place of
  urllib3's ([0059](adr/0059-requests-are-sent-by-http-client.md)). The client takes {client_ratio} of bare
  boto3's CPU for that publish, and {list_ratio} for a page of 100.
- What is left of it are botocore's events, endpoints, signatures and retries. A transport without them was
  measured, and not kept: it gives up users' tracing and events
  ([0049](adr/0049-calls-go-through-botocores-client.md) has its figures)."""


def chapter(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Each of the three, by its figures."""
    of_bill, ways = figures["bill"], {way["handlers"]: way for way in figures["counts"]["ways"]}
    sums = {(one["mode"], one["handlers"]): f"{sum(one['items'].values()):.2f}" for one in of_bill["bills"]}
    workflow = items_of(of_bill, "workflow")
    billed = {one["handlers"]: one["transitions"] for one in of_bill["amounts"]}
    transitions = workflow["Step Functions: state transitions"]
    publish, page = (_medians(figures["beside_boto3"], name) for name in ("publish, update", "list of 100"))
    text = _TEXT.format(
        transitions=f"{transitions:.2f}",
        workflow=sums["workflow", 0],
        share=f"{transitions / sum(workflow.values()):.0%}",
        without=f"{billed[0]:g}",
        with_one=f"{billed[1]:g}",
        reference=NAME,
        theirs=WAY["transitions"],
        workflow_handled=sums["workflow", 1],
        inline=sums["inline", 0],
        express=sums["express", 0],
        express_handled=sums["express", 1],
        **{f"kept_{months}": f"{dollars:.2f}" for months, dollars in of_bill["kept"].items()},
        writes=f"{workflow['DynamoDB: writes']:.2f}",
        units=ways[0]["write units"],
        units_handled=ways[1]["write units"],
        their_units=WAY["write units"],
        ours=f"{publish['ours']:.2f}",
        client=f"{publish['client']:.2f}",
        client_share=f"{publish['client'] / publish['ours']:.0%}",
        client_ratio=f"{publish['client'] / publish['bare']:.2f}",
        list_ratio=f"{page['client'] / page['bare']:.2f}",
    )
    yield from text.splitlines()


def _medians(figures: Mapping[str, Any], name: str) -> dict[str, float]:
    """Milliseconds of each side for one thing."""
    one = next(one for one in figures["comparisons"] if one["name"] == name)
    return {side: statistics.median(one[f"{side}_ms"]) for side in ("ours", "bare", "client")}
