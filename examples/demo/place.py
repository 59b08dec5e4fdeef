"""The service in its place: an AWS and a database on this machine, and the stack in them."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructs_lib.local import CdkCli, Emulator, Postgres
from constructs_lib.local.service.deployed import stacks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.demo.example import Example
    from examples.demo.screen import Screen

__all__ = ["Place", "make_place"]

_ROOT = Path(__file__).parents[2]
_EVENT = re.compile(r"\|\s*(\d+/\d+)\s*\|.*\|\s*(AWS::\S+)")


@dataclass(frozen=True)
class Place:
    """Where the service runs.

    Attributes:
        example: The service.
        aws: The emulator.
        outputs: Outputs of the stack.
        database_url: The SQL database.
        api_url: Base URL of the HTTP API, without a slash at the end.
    """

    example: Example
    aws: Emulator
    outputs: dict[str, str]
    database_url: str
    api_url: str

    def _functions(self) -> Iterator[dict[str, Any]]:
        for page in self.aws.client("lambda").get_paginator("list_functions").paginate():
            yield from page["Functions"]

    def invocations(self) -> dict[str, int]:
        """How often each function was called so far, by what it is for."""
        logs = self.aws.client("logs")
        counts: dict[str, int] = {}
        for function in self._functions():
            kind = function.get("Environment", {}).get("Variables", {}).get("CQRS_FUNCTION")
            if kind:
                group = function["LoggingConfig"]["LogGroup"]
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
                lines = [event["message"] for page in pages for event in page["events"]]
                counts[kind] = sum(line.startswith("START RequestId") for line in lines)
        return counts


@contextmanager
def make_place(screen: Screen, example: Example, *, port: int | None) -> Iterator[Place]:
    """Start everything and deploy; everything is gone after the ``with`` block.

    Raises:
        LocalAwsError: Something is missing, taken, full or broken; the message says what to do.
    """
    with ExitStack() as running:
        with screen.step("Start an AWS on this machine") as step:
            aws = running.enter_context(Emulator(port=port, folder=_ROOT / ".local-aws"))
            step.result = aws.endpoint_url
        with screen.step("Start PostgreSQL") as step:
            postgres = running.enter_context(Postgres())
            sys.path.insert(0, str(example.code))
            example.create_tables(postgres.uri())
            step.result = example.tables
        with screen.step("cdk bootstrap") as step:
            CdkCli(aws, cwd=_ROOT).bootstrap()
            step.result = f"aws://{aws.account}/{aws.region}"
        with screen.step("cdk deploy") as step:
            cdk = CdkCli(
                aws,
                app=example.app,
                cwd=_ROOT,
                context={"database_url": postgres.uri(), "throwaway": "true", "env_name": "local"},
                on_line=lambda line: step.progress(_progress_of(line)),
            )
            outputs = cdk.deploy(example.stack)[example.stack]
            (api,) = [api for stack in stacks_of(aws) if stack.name == example.stack for api in stack.apis]
            step.result = f"stack {example.stack}: {_count_resources(aws, example.stack)} resources"
        yield Place(example, aws, outputs, postgres.uri(), api.url)


def _progress_of(line: str) -> str:
    """What the CLI is at: a count of resources and the type of the last one, else its own words."""
    event = _EVENT.search(line)
    return f"{event[1]}  {event[2]}" if event else line.strip()


def _count_resources(aws: Emulator, stack: str) -> int:
    pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    return sum(len(page["StackResourceSummaries"]) for page in pages)
