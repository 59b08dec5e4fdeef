"""The blog's own CDK app, run as the CDK CLI runs it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from runtime.contract import EVENT_STREAM_FILTER
from tests.examples.templates import DATABASE, Resources, allowed, functions, resources_of

if TYPE_CHECKING:
    from tests.support.apps import Synthesize

TABLE = re.compile(r"\b(blog(?:Events|Sync))[0-9A-F]{8}")


@pytest.fixture(scope="module")
def resources(synthesize: Synthesize) -> Resources:
    return resources_of("blog", synthesize)


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def test_the_functions_find_the_app_and_the_database(resources: Resources) -> None:
    found = functions(resources)
    assert set(found) == {"api", "projector", "operator"}
    assert {one["Handler"] for one in found.values()} == {"blog.main.app"}
    variables = [one["Environment"]["Variables"] for one in found.values()]
    assert {one.get("DATABASE_URL") for one in variables} == {DATABASE}
    assert {one["CQRS_MODULES"] for one in variables} == {'{"blog":"events handlers"}'}


def test_what_is_appended_comes_to_the_projector(resources: Resources) -> None:
    (mapping,) = (
        one
        for one in of_type(resources, "AWS::Lambda::EventSourceMapping").values()
        if "blogEvents" in json.dumps(one["EventSourceArn"])
    )
    name = mapping["FunctionName"]["Ref"]
    assert resources[name]["Properties"]["Environment"]["Variables"]["CQRS_FUNCTION"] == "projector"
    (filtered,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(filtered["Pattern"]) == EVENT_STREAM_FILTER
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_nobody_may_change_or_delete_an_event_and_only_operators_may_scan(resources: Resources) -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for kind, action, resource in allowed(resources):
        if (table := TABLE.search(resource)) and "/stream/" not in resource and "StreamArn" not in resource:
            found.setdefault(table[1], {}).setdefault(kind, set()).add(action.removeprefix("dynamodb:"))
    assert set(found) == {"blogEvents", "blogSync"}
    events = found["blogEvents"]
    assert set(events) == {"api", "projector", "operator"}
    assert events["api"] == events["projector"] == {"GetItem", "Query", "PutItem", "ConditionCheckItem"}
    assert events["operator"] == events["api"] | {"Scan", "DescribeTable"}
    assert not any("DeleteItem" in actions for actions in found["blogSync"].values())


def test_what_happened_outlives_the_stack(resources: Resources) -> None:
    tables = {name: one for name, one in resources.items() if one["Type"] == "AWS::DynamoDB::GlobalTable"}
    assert {TABLE.sub(r"\1", name) for name in tables} >= {"blogEvents", "blogSync"}
    for one in tables.values():
        assert one["DeletionPolicy"] == one["UpdateReplacePolicy"] == "Retain"
