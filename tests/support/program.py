"""The operators' command line, as a process of its own."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructs_lib.local.environment import without_aws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMAND = [sys.executable, "-m", "constructs_lib.cli"]
#: What every command imports, and takes half a second each time.
_IMPORTED = ("constructs_lib.cli", "boto3", "rich.console", "rich.table")
_ROOT = Path(__file__).parents[2]


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
        """Run it to its end, without a terminal; it has to end with that code.

        Its process is a fork of one that has imported everything.
        """
        done = _forks().run(words, {**self.environment, **environment})
        assert done.code == code, f"{done.code}\n{done.out}\n{done.err}"
        return done

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


class _Forks:
    """A process with a single thread that has imported the program, and forks for each command line."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-m", __name__],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, words: tuple[str, ...], environment: Mapping[str, str]) -> Ended:
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory() as folder:
            streams = [Path(folder) / name for name in ("out", "err")]
            order = {"words": words, "environment": dict(environment), "streams": [*map(str, streams)]}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return Ended(code, *(stream.read_text(encoding="utf-8") for stream in streams))

    def end(self) -> None:
        self._process.communicate(timeout=20)


@cache
def _forks() -> _Forks:
    made = _Forks()
    atexit.register(made.end)
    return made


def _serve() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _live(**json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


def _live(words: list[str], environment: dict[str, str], streams: list[str]) -> None:
    """Be the program from now on, to the end of this process."""
    from constructs_lib.cli import main  # noqa: PLC0415 - what is forked has it

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(main(words))


if __name__ == "__main__":
    _serve()
