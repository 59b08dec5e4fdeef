from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.operations.pipeline import Recorder
from tests.runtime.conftest import credentials, make_service
from tests.runtime.test_notifications import Inbox
from tests.support.clock import CLOCK, AdvancedClock
from tests.support.functions import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from tests.support.service import Service

__all__ = ["credentials", "make_service"]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def service(make_service: Callable[..., Service], recorder: Recorder) -> Service:
    return make_service(handlers=[recorder])


@pytest.fixture
def plain(make_service: Callable[..., Service]) -> Service:
    return make_service()


@pytest.fixture
def inbox(emulator: Emulator) -> Inbox:
    return Inbox(emulator)


@pytest.fixture
def later() -> Iterator[AdvancedClock]:
    """The clock of the runtime, to be put forward."""
    with CLOCK:
        yield CLOCK


@pytest.fixture
def state_machine(emulator: Emulator) -> Iterator[str]:
    """A state machine that does nothing: its executions only show that they were started."""
    client = emulator.client("stepfunctions")
    arn: str = client.create_state_machine(
        name="reconciled",
        roleArn=ROLE,
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
    )["stateMachineArn"]
    yield arn
    client.delete_state_machine(stateMachineArn=arn)
