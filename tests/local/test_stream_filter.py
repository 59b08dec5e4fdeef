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


def test_only_commits_come_through_the_filter_of_an_events_table(emulator: Emulator) -> None:
    either = {
        "Filters": [{"Pattern": json.dumps(EVENT_STREAM_FILTER)}, {"Pattern": '{"eventName": ["REMOVE"]}'}]
    }
    stream = Stream(emulator, FilterCriteria=either)
    stream.connect()
    last, append = {"N": "1"}, {"S": "x"}
    stream.put("command", fingerprint={"S": "x"}, last=last)
    stream.put("commit", last=last, append=append)
    stream.put("commit", last=last, append=append, erased={"BOOL": True})  # blanked, which is no news
    stream.put("other", append=append)
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
