"""A process that makes others which die: each is killed at one call, and nothing of it runs on.

The processes are forks of one that has imported everything and has a single thread, since a
fork of the tests' own process would share its connections.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.faults.site import Place, Site
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Zygote"]

_ROOT = Path(__file__).parents[2]


class Zygote:
    """The tests' end of it, for the time of a `with` block."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._environment.pop("AWS_ENDPOINT_URL", None)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-m", __name__],
            cwd=_ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def die(self, site: Site, actor: str, payload: Any, call: int, moment: str) -> int:
        """Let a process do something, and be killed meanwhile; its exit code."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"site": site.fields, "actor": actor, "payload": payload, "call": call, "moment": moment}
        order["ahead"] = CLOCK.ahead
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _serve() -> None:
    # The services' descriptions are read once, here.
    for service in ("dynamodb", "sns", "stepfunctions"):
        Place("http://127.0.0.1:1", "us-east-1").client(service)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _live(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


def _live(order: dict[str, Any]) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what functions log is no answer
    process = Site(**order["site"]).open()
    with CLOCK:
        CLOCK.advance(order["ahead"])
        process.dying(
            order["actor"],
            order["payload"],
            order["call"],
            order["moment"],
            lambda: os.kill(os.getpid(), signal.SIGKILL),
        )


if __name__ == "__main__":
    _serve()
