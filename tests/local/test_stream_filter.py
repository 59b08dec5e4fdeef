from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.contract import EVENT_STREAM_FILTER, STREAM_FILTER
from tests.local.streams import Stream

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

LEAF = STREAM_FILTER
INNER = {"dynamodb": {"NewImage": {"syncMode": [{"exists": False}]}}}


def test_exists_on_a_leaf_keeps_the_records_that_lack_any_node_above_it(emulator: Emulator) -> None:
    assert _passed(emulator, LEAF) == ["plain"]


def test_exists_on_an_inner_node_keeps_every_record(emulator: Emulator) -> None:
    assert _passed(emulator, INNER) == ["plain", "synchronous"]


def test_of_an_events_table_only_commits_pass(emulator: Emulator) -> None:
    """What it remembers of a command's id has a last version, too, and no id of an append."""
    either = [{"Pattern": json.dumps(EVENT_STREAM_FILTER)}, {"Pattern": '{"eventName": ["REMOVE"]}'}]
    stream = Stream(emulator, FilterCriteria={"Filters": either})
    stream.connect()
    stream.put("command", last={"N": "1"}, first={"N": "1"})
    stream.put("commit", last={"N": "1"}, append={"S": "0f"})
    stream.put("commit", last={"N": "1"}, erasedAt={"S": "2026"}, append={"S": "0f"})  # blanked: no news
    stream.delete("commit")
    assert stream.wait_for(lambda names: names[-1:] == ["-commit"]) == ["commit", "-commit"]


def test_gap_stock_drops_the_record_that_lacks_the_node_above_the_leaf(stock: Emulator) -> None:
    assert _passed(stock, LEAF) == []


def test_gap_stock_takes_an_inner_node_for_a_leaf(stock: Emulator) -> None:
    assert _passed(stock, INNER) == ["plain"]


def _passed(emulator: Emulator, pattern: dict[str, Any]) -> list[str]:
    """Which of three records come through a filter; the last one passes any."""
    either = {"Filters": [{"Pattern": json.dumps(pattern)}, {"Pattern": '{"eventName": ["REMOVE"]}'}]}
    stream = Stream(emulator, FilterCriteria=either)
    stream.connect()
    stream.put("plain")
    stream.put("synchronous", syncMode={"S": "SYNC"})
    stream.delete("plain")
    seen = stream.wait_for(lambda names: names[-1:] == ["-plain"])
    return seen[:-1]
