"""A process that is fed one batch, and is killed by the system at an event: `python -m` it with an order.

The answer is the last line that it prints: the records that come again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from runtime import Resources
from runtime.event_store.feed.processor import EventProcessor
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from tests.event_store.feed.lab import View
from tests.support.clock import CLOCK
from tests.support.event_tables import MODULE, event_settings

if TYPE_CHECKING:
    from runtime.event_store.commits.commit import Commit

__all__ = ["opened"]


def opened(order: dict[str, Any]) -> tuple[DynamoProvider, View]:
    """What a process has that works on these tables."""
    place: Any = SimpleNamespace(endpoint_url=order["endpoint"], region=order["region"])
    provider = DynamoProvider(MODULE, Resources(event_settings(place, tuple(order["tables"]))))
    view = View(order["name"])
    view.kept_in = provider.cursors()
    return provider, view


def _main() -> None:
    order = json.load(sys.stdin)
    provider, view = opened(order)

    def die(commit: Commit, version: int) -> None:
        if [commit.key.pk, version] == order["deadly"]:
            os.kill(os.getpid(), signal.SIGKILL)

    view.before = die
    with CLOCK:
        CLOCK.advance(order["ahead"])
        answer = EventProcessor(MODULE, provider, [view], provider.commit_in).process(order["records"])
    print(json.dumps(answer["batchItemFailures"]))  # noqa: T201 - the answer


if __name__ == "__main__":
    _main()
