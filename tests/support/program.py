"""The operators' command line, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constructs_lib.local.environment import without_aws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMAND = [sys.executable, "-m", "constructs_lib.cli"]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Program:
    """`cqrs`, in the environment of an emulator or of none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        inherited = {n: v for n, v in without_aws(os.environ).items() if not n.startswith("CQRS_")}
        self.environment = {**inherited, **environment}

    def __call__(self, *words: str, code: int = 0, **environment: str) -> Ended:
        """Run it to its end, without a terminal; it has to end with that code."""
        done = subprocess.run(  # noqa: S603 - our own program
            [*COMMAND, *words],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return Ended(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def start(self, *words: str, **streams: Any) -> Iterator[subprocess.Popen[str]]:
        """Run it during a ``with`` block, with standard output and error piped unless they are given."""
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        } | streams
        command = [*COMMAND, *words]
        with subprocess.Popen(command, env=self.environment, text=True, **streams) as process:  # noqa: S603
            try:
                yield process
            finally:
                process.kill()
