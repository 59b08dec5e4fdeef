"""What the functions of examples/todo import, and which clients they make, before their first call.

Modules are counted, not milliseconds: those depend on the machine. `bench/cold_start.py` has the
milliseconds. A test that fails names the module, and how it came in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from bench.cold_start import CLIENTS

ROOT: Final = Path(__file__).parents[2]
#: What every function has in common: of Powertools the logger and the metrics.
COMMON: Final = {"aws_lambda_powertools": 45, "jmespath": 10, "lazy_loader": 1, "typing_extensions": 1}
#: The AWS SDK, which a function that makes no call is spared. How much of it there is, its authors decide.
SDK: Final = ("boto3", "botocore", "certifi", "dateutil", "s3transfer", "six", "urllib3")
#: The most modules of each package that a function may have imported; of a package that is not here, none.
BUDGETS: Final = {
    "api": COMMON
    | dict.fromkeys(SDK, 1000)
    | {
        "annotated_types": 1,
        "aws_lambda_powertools": 130,
        "cachetools": 3,
        "pydantic": 60,
        "pydantic_core": 3,
        "runtime": 140,
        "todo": 5,
        "typing_inspection": 5,
    },
    "stream": COMMON | dict.fromkeys(SDK, 1000) | {"runtime": 48, "todo": 2},
    "worker": COMMON | dict.fromkeys(SDK, 1000) | {"cachetools": 3, "runtime": 68, "todo": 2},
    "notifier": COMMON | {"botocore": 1, "runtime": 38, "todo": 2},
    "operator": COMMON | dict.fromkeys(SDK, 1000) | {"runtime": 100, "todo": 2},
}
#: Whatever their number: what only a later call needs.
LATER: Final = {
    "api": ("aws_lambda_powertools.event_handler.openapi.models", "runtime.entry.http.openapi_document"),
    "stream": ("runtime.pipeline.apply", "runtime.store.dynamodb"),
    "worker": ("todo.read_model",),
    "notifier": ("runtime.clients.sns", "runtime.module_context", "runtime.store"),
    "operator": ("runtime.entry.worker",),
}
CODE: Final = """
import gc, json, sys
usual, looks = gc.get_threshold(), []
gc.callbacks.append(lambda phase, _: phase == "start" and looks.append(gc.get_count()[0]))
import main
main.app
collector = {
    "looks": len(looks),
    "most": max(looks),
    "frozen": gc.get_freeze_count(),
    "as usual": gc.get_threshold() == usual,
}
gc.unfreeze()
made = []
if "botocore.client" in sys.modules:
    from botocore.client import BaseClient
    made = [one.meta.service_model.service_name for one in gc.get_objects() if isinstance(one, BaseClient)]
print(json.dumps({"modules": sorted(sys.modules), "clients": sorted(made), "collector": collector}))
"""
_IMPORTED: Final = re.compile(r"import time:\s+\d+ \|\s+\d+ \| (\s*)(\S+)")


@dataclass(frozen=True)
class Start:
    """A function after its init phase.

    Attributes:
        modules: What it has imported of packages that the layers or the code bring.
        clients: Services that it has clients for.
        imports: Every import with how deep it was, the inner ones before those that they are in.
        collector: How often garbage was looked for, at how many new objects at most, how many objects are
            exempt from now on, and whether it is looked for as often as before.
    """

    modules: tuple[str, ...]
    clients: tuple[str, ...]
    imports: tuple[tuple[int, str], ...]
    collector: dict[str, int]

    def way_of(self, module: str) -> str:
        """Who imported a module, and who that."""
        place = next((at for at, (_, name) in enumerate(self.imports) if name == module), None)
        if place is None:
            return module
        way, depth = [module], self.imports[place][0]
        for outer, name in self.imports[place + 1 :]:
            if outer < depth:
                way.append(name)
                depth = outer
        return " <- ".join(way)


@cache
def started(kind: str) -> Start:
    arn = "arn:aws:{}:us-east-1:000000000000:{}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT / "examples" / "todo"), str(ROOT)]),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "NODE_ENV": "dev",
        "APP_NAME": "todo",
        "CQRS_MODULES": json.dumps({"todo": {"sync": True}}),
        "CQRS_FUNCTION": kind,
        "SESSION_TABLE_NAME": "dev-todo-session",
        "S3_BUCKET_NAME": "attributes",
        **({} if kind == "notifier" else {"SFN_COMMAND_ARN": arn.format("states", "stateMachine:command")}),
        **({} if kind == "notifier" else {"SNS_TOPIC_ARN": arn.format("sns", "notifications")}),
    }
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-s", "-B", "-X", "importtime", "-c", CODE],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    imports = (_IMPORTED.match(line) for line in done.stderr.splitlines())
    ours = (name for name in found["modules"] if _package(name) not in {*sys.stdlib_module_names, "main"})
    return Start(
        tuple(name for name in ours if not name.startswith("_")),
        tuple(found["clients"]),
        tuple((len(line[1]), line[2]) for line in imports if line),
        found["collector"],
    )


def _package(module: str) -> str:
    return module.partition(".")[0]


def over_budget(start: Start, budget: dict[str, int]) -> list[str]:
    """The packages of which too much was imported, with the ways that it came."""
    counts = Counter(map(_package, start.modules))
    return [
        f"{count} modules of {package} instead of at most {budget.get(package, 0)}: "
        + "; ".join(start.way_of(name) for name in start.modules if _package(name) == package)
        for package, count in counts.items()
        if count > budget.get(package, 0)
    ]


@pytest.mark.parametrize("kind", BUDGETS)
def test_a_function_imports_no_more_than_it_needs_for_its_first_call(kind: str) -> None:
    start = started(kind)
    over = over_budget(start, BUDGETS[kind])
    over += [f"too early: {start.way_of(name)}" for name in LATER[kind] if name in start.modules]
    assert not over, "\n".join(over)


@pytest.mark.parametrize("kind", BUDGETS)
def test_the_clients_of_a_function_are_made_before_its_first_call(kind: str) -> None:
    made = (
        () if kind == "notifier" else CLIENTS[kind]
    )  # it makes no call: the bench has to divide by something
    assert started(kind).clients == made


@pytest.mark.parametrize("kind", BUDGETS)
def test_garbage_is_hardly_looked_for_before_the_first_call(kind: str) -> None:
    found = started(kind).collector
    assert found["looks"] < 10  # up to 200 otherwise
    assert found["most"] < 10_000  # those before the library's first line: a look at all takes 30 ms
    assert found["as usual"]
    assert 10_000 < found["frozen"] < 200_000  # room for what a service brings


def test_a_module_over_the_budget_is_named_with_the_way_that_it_came() -> None:
    start = started("notifier")
    modules = [name for name in start.modules if _package(name) == "jmespath"]
    (named,) = over_budget(start, {**BUDGETS["notifier"], "jmespath": 0})
    assert named.startswith(f"{len(modules)} modules of jmespath instead of at most 0: jmespath <- ")
    for name, importer in pairwise(start.way_of("jmespath").split(" <- ")):
        assert f"{name} <- {importer}" in named
