"""CPU time of publish and apply, of this checkout beside another revision, in one run.

Each side is a process of its own that imports its own `runtime` and does the same work through the
public API: an update by `publish_async` with read-your-writes on, and its stream record given to the
app of an inline module. The two take turns, block by block; the medians of the blocks are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructs_lib.local import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parent.parent
_WORKER = Path(__file__).parent / "cpu_worker.py"
_TABLES = ("todo-command", "todo-data", "todo-history", "todo-sync", "session")


class Side:
    """One revision's process.

    Args:
        name: What it is called in the table.
        checkout: Folder with its `runtime`.
        environment: Variables of its functions.
    """

    def __init__(self, name: str, checkout: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.publish: list[float] = []
        self.apply: list[float] = []
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, str(_WORKER)],
            cwd=checkout,
            env={**os.environ, **environment, "PYTHONPATH": str(checkout), "APP_NAME": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def block(self, count: int) -> dict[str, float]:
        """Let it do ``count`` updates; milliseconds of CPU for each publish and each apply."""
        assert self._process.stdin  # noqa: S101 - it was opened above
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer

    def measure(self, count: int) -> None:
        """One block that counts."""
        answer = self.block(count)
        self.publish.append(answer["publish"])
        self.apply.append(answer["apply"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin  # noqa: S101
        self._process.stdin.close()
        self._process.wait(timeout=30)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", default="HEAD~1", help="the other revision; default: the commit before")
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--typed", action="store_true", help="with a model for the attributes")
    parser.add_argument("--calls", type=int, default=60, help="updates a block")
    arguments = parser.parse_args()
    os.environ["BENCH_TYPED"] = "1" if arguments.typed else "0"
    with tempfile.TemporaryDirectory() as folder, Emulator(folder=_ROOT / ".local-aws") as emulator:
        other = Path(folder) / "other"
        _git("worktree", "add", "--detach", str(other), arguments.against)
        try:
            sides = [
                Side("before", other, environment(emulator, "before")),
                Side("after", _ROOT, environment(emulator, "after")),
            ]
            for side in sides:
                side.block(arguments.calls)  # the first one warms up
            for turn in range(arguments.blocks):
                for side in sides if turn % 2 else reversed(sides):
                    side.measure(arguments.calls)
            for side in sides:
                side.close()
        finally:
            _git("worktree", "remove", "--force", str(other))
    for line in _table(*sides):
        print(line)  # noqa: T201 - what it is for


def environment(emulator: Emulator, name: str) -> dict[str, str]:
    """Make the tables of a service, and the variables of its functions."""
    client = emulator.client("dynamodb")
    for table in _TABLES:
        client.create_table(
            TableName=f"local-{name}-{table}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        )
    services = ("DYNAMODB", "SNS")
    return {
        **emulator.environment,
        "NODE_ENV": "local",
        "RYW_SESSION_TTL_MINUTES": "5",
        "CQRS_MODULES": json.dumps({"todo": {"mode": "inline", "sync": False}}),
        "SNS_TOPIC_ARN": emulator.client("sns").create_topic(Name=name)["TopicArn"],
        **{f"{service}_ENDPOINT": emulator.endpoint_url for service in services},
        **{f"{service}_REGION": emulator.region for service in services},
    }


def _table(before: Side, after: Side) -> Iterator[str]:
    yield "| ms of CPU, median of the blocks (lowest to highest) | before | after | after / before |"
    yield "| --- | ---: | ---: | ---: |"
    for name in ("publish", "apply"):
        one, two = getattr(before, name), getattr(after, name)
        ratio = statistics.median(two) / statistics.median(one)
        yield f"| {name} | {_figures(one)} | {_figures(two)} | {ratio:.2f} |"


def _figures(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _git(*arguments: Any) -> None:  # noqa: ANN401 - words of a command
    subprocess.run(["git", *arguments], cwd=_ROOT, check=True, capture_output=True)  # noqa: S603, S607


if __name__ == "__main__":
    main()
