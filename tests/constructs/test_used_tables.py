"""A table that two constructs stand for: whose rows are in it, which service has it, who reads its stream."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib import (
    CqrsFunctions,
    CqrsTable,
    EventProcessing,
    EventStoreTable,
    FunctionOptions,
    InvalidPropsError,
    StreamProcessing,
)
from tests.constructs.functions import CODE, new_function

if TYPE_CHECKING:
    from collections.abc import Callable

STREAM = "arn:aws:dynamodb:eu-west-1:111111111111:table/{}/stream/2026-01-31T10:11:12.345"


def new_table(scope: cdk.Stack, construct_id: str, name: str | None = None) -> dynamodb.TableV2:
    text = dynamodb.AttributeType.STRING
    return dynamodb.TableV2(
        scope,
        construct_id,
        table_name=name,
        partition_key=dynamodb.Attribute(name="pk", type=text),
        sort_key=dynamodb.Attribute(name="sk", type=text),
        dynamo_stream=dynamodb.StreamViewType.NEW_IMAGE,
        time_to_live_attribute="ttl",
    )


def imported(scope: cdk.Stack, construct_id: str, name: str, **options: Any) -> EventStoreTable:
    return EventStoreTable.from_table_names(
        scope,
        construct_id,
        table_name_prefix=name,
        events_table_stream_arn=STREAM.format(f"{name}-events"),
        **options,
    )


def functions_of(scope: cdk.Stack, name: str, *tables: CqrsTable | EventStoreTable) -> CqrsFunctions:
    return CqrsFunctions(
        scope, name, code=CODE, app_name=name.lower(), tables=tables, projector=FunctionOptions()
    )


class TestRows:
    """Of one module each."""

    @pytest.mark.parametrize("prop", ["events_table", "sync_table"])
    def test_of_two_modules_of_events(self, stack: cdk.Stack, prop: str) -> None:
        mine: Any = {prop: new_table(stack, "Mine")}
        EventStoreTable(stack, "Blog", **mine)
        message = (
            f"{prop} must be of one module, got Test/Mine for 'audit' at Test/Audit, which keeps rows of "
            "'blog' at Test/Blog: those of the two would be mixed; leave it out for a new table, bring"
        )
        with pytest.raises(InvalidPropsError, match=re.escape(message)):
            EventStoreTable(stack, "Audit", **mine)

    def test_of_events_and_of_commands(self, stack: cdk.Stack) -> None:
        mine = new_table(stack, "Mine")
        EventStoreTable(stack, "Blog", events_table=mine)
        with pytest.raises(
            InvalidPropsError, match="data_table must be of one module, got Test/Mine for 'order'"
        ):
            CqrsTable(stack, "Order", data_table=mine)

    def test_in_two_places_of_one_module(self, stack: cdk.Stack) -> None:
        mine = new_table(stack, "Mine")
        EventStoreTable(stack, "Blog", events_table=mine)
        with pytest.raises(InvalidPropsError, match="sync_table must be of one module"):
            EventStoreTable(stack, "Again", module_name="blog", sync_table=mine)

    def test_by_name(self, stack: cdk.Stack) -> None:
        imported(stack, "Blog", "prod-shop-blog")
        with pytest.raises(InvalidPropsError, match="events_table must be of one module"):
            imported(stack, "Posts", "prod-shop-blog")

    def test_a_new_table_and_its_name(self, stack: cdk.Stack) -> None:
        EventStoreTable(stack, "Blog", table_name_prefix="prod-shop-blog")
        with pytest.raises(InvalidPropsError, match="events_table must be of one module"):
            imported(stack, "Posts", "prod-shop-blog")

    def test_one_module_may_be_there_twice(self, app: cdk.App) -> None:
        """Such as in another stack, for a report that reads it."""
        EventStoreTable(cdk.Stack(app, "Shop"), "Blog", table_name_prefix="prod-shop-blog")
        reports = cdk.Stack(app, "Reports")
        again = imported(reports, "Theirs", "prod-shop-blog", module_name="blog")
        again.connect(new_function(reports), rights=["read"])

    @pytest.mark.parametrize(
        "env",
        [
            {"account": "222222222222", "region": "eu-west-1"},
            {"account": "111111111111", "region": "eu-west-2"},
        ],
        ids=["account", "region"],
    )
    def test_elsewhere_a_name_is_another_table(self, app: cdk.App, env: dict[str, str]) -> None:
        here = cdk.Environment(account="111111111111", region="eu-west-1")
        imported(cdk.Stack(app, "Here", env=here), "Blog", "prod-shop-blog")
        imported(cdk.Stack(app, "There", env=cdk.Environment(**env)), "Posts", "prod-shop-blog")

    def test_stages_are_deployed_apart(self, app: cdk.App) -> None:
        for name in ("blue", "green"):
            stage = cdk.Stage(app, name)
            imported(cdk.Stack(stage, "Shop"), name, "prod-shop-blog")


class TestServices:
    """One has the tables."""

    def test_of_two_constructs(self, stack: cdk.Stack) -> None:
        functions_of(stack, "Shop", EventStoreTable(stack, "Blog", table_name_prefix="prod-shop-blog"))
        again = imported(stack, "Again", "prod-shop-blog", module_name="blog")
        message = (
            "tables must be of one service, got Test/Office/Api/Function for Test/Again beside "
            "Test/Shop/Api/Function; events_table is the same, and two services would handle each event"
        )
        with pytest.raises(InvalidPropsError, match=re.escape(message)):
            functions_of(stack, "Office", again)

    def test_of_commands_too(self, stack: cdk.Stack) -> None:
        functions_of(stack, "Shop", CqrsTable(stack, "Order", table_name_prefix="prod-shop-order"))
        again = CqrsTable.from_table_names(
            stack, "Again", table_name_prefix="prod-shop-order", module_name="order"
        )
        with pytest.raises(InvalidPropsError, match="command_table is the same, and two services would"):
            functions_of(stack, "Office", again)


def of_events(scope: cdk.Stack) -> Callable[..., Any]:
    blog = EventStoreTable(scope, "Blog", handlers=True)
    return lambda name, **options: EventProcessing(
        scope, name, table=blog, function=new_function(scope, f"{name}Function"), **options
    )


def of_commands(scope: cdk.Stack) -> Callable[..., Any]:
    order = CqrsTable(scope, "Blog")
    return lambda name, **options: StreamProcessing(
        scope, name, table=order, function=new_function(scope, f"{name}Function"), **options
    )


class TestStreams:
    """One construct reads each."""

    @pytest.mark.parametrize(
        ("of", "kind", "what"),
        [(of_events, "EventProcessing", "events"), (of_commands, "StreamProcessing", "command")],
        ids=["events", "commands"],
    )
    def test_of_a_table(
        self, stack: cdk.Stack, of: Callable[[cdk.Stack], Callable[..., Any]], kind: str, what: str
    ) -> None:
        read = of(stack)
        read("First")
        message = (
            f"table must be read by one {kind}, got Test/Second for the {what} table of Test/Blog, whose "
            "stream Test/First reads already"
        )
        with pytest.raises(InvalidPropsError, match=message):
            read("Second")
        read("Waiting", enabled=False)

    def test_of_two_constructs_for_it(self, app: cdk.App) -> None:
        for stack, fits in ((cdk.Stack(app, "Shop"), True), (cdk.Stack(app, "Office"), False)):
            blog = imported(stack, "Theirs", "prod-shop-blog", module_name="blog", handlers=True)
            if fits:
                EventProcessing(stack, "Events", table=blog, function=new_function(stack))
                continue
            with pytest.raises(InvalidPropsError, match="whose stream Shop/Events reads already"):
                EventProcessing(stack, "Events", table=blog, function=new_function(stack))
