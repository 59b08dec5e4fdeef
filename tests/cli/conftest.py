from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.service import SOURCE
from tests.operations.conftest import later
from tests.support.functions import Function
from tests.support.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from constructs_lib.local import Emulator


__all__ = ["later"]


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that gets a line for each page that `function` is asked for."""
    return tmp_path_factory.mktemp("trace") / "asked"


@pytest.fixture(scope="session")
def function(emulator: Emulator, trace: Path) -> str:
    """Name of a deployed function that answers like the operator function of a service."""
    return Function(emulator, SOURCE, timeout=30, environment={"TRACE": str(trace)}).name


@pytest.fixture(scope="session")
def stack(emulator: Emulator, function: str) -> Iterator[str]:
    """Name of a stack that has that function as its output."""
    client = emulator.client("cloudformation")
    for name, outputs in {
        "shop": {"OperatorFunctionName": {"Value": function}},
        "old-shop": {"ApiUrl": {"Value": "https://api.example.com"}},
    }.items():
        resources = {"Queue": {"Type": "AWS::SQS::Queue"}}
        template = json.dumps({"Resources": resources, "Outputs": outputs})
        client.create_stack(StackName=name, TemplateBody=template)
        client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    yield "shop"
    for name in ("shop", "old-shop"):
        client.delete_stack(StackName=name)


@pytest.fixture
def cqrs(emulator: Emulator, function: str) -> Program:
    """The program, with the emulator and the function in its environment."""
    return Program({**emulator.environment, "CQRS_FUNCTION_NAME": function})
