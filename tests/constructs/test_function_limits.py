"""What calls a function, and how long and how often it may run, fit together; or synthesis says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from constructs_lib import (
    CommandWorkflow,
    CqrsApi,
    CqrsFunction,
    CqrsModule,
    CqrsStack,
    CqrsTable,
    FunctionOptions,
    Identity,
    InvalidPropsError,
    Notifications,
    StreamProcessing,
)
from tests.constructs.conftest import new_app
from tests.constructs.functions import CODE, imported_function, new_function
from tests.constructs.test_connecting import said

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_


def reserving(stack: cdk.Stack, calls: int | None, construct_id: str = "Function") -> lambda_.Function:
    return CqrsFunction(
        stack, construct_id, code=CODE, handler="index.handler", reserved_concurrency=calls
    ).function


@pytest.mark.parametrize(
    ("reserved", "given", "made"),
    [
        (None, None, 10),
        (50, None, 10),
        (3, None, 3),
        (2, None, 2),
        (50, 20, 20),
        (None, 20, 20),
        (0, None, 10),
    ],
)
def test_a_queue_calls_no_more_than_the_function_reserves(
    stack: cdk.Stack, reserved: int | None, given: int | None, made: int
) -> None:
    notifications = Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"])
    notifications.add_consumer(reserving(stack, reserved), max_concurrency=given)
    (mapping,) = Template.from_stack(stack).find_resources("AWS::Lambda::EventSourceMapping").values()
    assert mapping["Properties"]["ScalingConfig"] == {"MaximumConcurrency": made}


def test_a_queue_that_would_call_too_often_is_refused(stack: cdk.Stack) -> None:
    notifications = Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"])
    with pytest.raises(
        InvalidPropsError, match="max_concurrency must be at most 5, what Test/Five/Function reserves, got 6"
    ):
        notifications.add_consumer(reserving(stack, 5, "Five"), max_concurrency=6)
    with pytest.raises(InvalidPropsError, match="Test/One/Function must be at least 2, got 1"):
        notifications.add_consumer(reserving(stack, 1, "One"))


@pytest.mark.parametrize(("reserved", "warned"), [(None, False), (4, False), (3, True), (1, True)])
def test_streams_that_starve_each_other_are_warned_of(
    stack: cdk.Stack, reserved: int | None, *, warned: bool
) -> None:
    function = reserving(stack, reserved)
    for name, factor in (("Order", 3), ("Note", 1)):
        table = CqrsTable(stack, name)
        StreamProcessing(
            stack, f"{name}Stream", table=table, function=function, parallelization_factor=factor
        )
    found = said(stack, "cqrs:starvedStreams")
    assert [f"is {reserved}, and 2 streams make 4 calls or more" in text for text in found] == [True] * warned


def test_a_worker_that_one_command_keeps_busy_is_warned_of(stack: cdk.Stack) -> None:
    for calls, limit in ((9, None), (9, 9), (10, None), (None, None)):
        name = f"Worker{calls}{limit}"
        CommandWorkflow(stack, f"{name}Flow", worker=reserving(stack, calls, name), max_concurrency=limit)
    CommandWorkflow(stack, "Flow", worker=imported_function(stack, "mine"))
    (text,) = said(stack, "cqrs:fewReserved")
    assert "is 9, and up to 10 handlers of one command run at the same time" in text


def test_a_function_that_nobody_can_call_is_warned_of(stack: cdk.Stack) -> None:
    for calls in (0, 1):
        reserving(stack, calls, f"F{calls}")
    assert len(said(stack, "cqrs:switchedOff")) == 1


def shop(**props: Any) -> CqrsStack:
    return CqrsStack(
        new_app(), "Shop", app_name="shop", modules=[CqrsModule("order")], code=Path(__file__).parent, **props
    )


def test_an_api_function_stops_before_the_gateway_gives_up() -> None:
    with pytest.raises(
        InvalidPropsError,
        match="timeout of api must be at most 30 seconds, got 1 minute: API Gateway answers 503",
    ):
        shop(api=FunctionOptions(timeout=cdk.Duration.minutes(1)))


@pytest.mark.parametrize(("seconds", "warned"), [(30, False), (31, True)])
def test_a_function_that_was_brought_and_outlives_the_gateway_is_warned_of(
    stack: cdk.Stack, seconds: int, *, warned: bool
) -> None:
    function = new_function(stack, timeout=cdk.Duration.seconds(seconds))
    CqrsApi(stack, "Api", function=function, identity=Identity(stack, "Identity"))
    assert len(said(stack, "cqrs:outlivesGateway")) == warned
