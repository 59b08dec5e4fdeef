"""Counters that MBC CQRS Serverless wrote: we go on where it is, and print as it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import RotateBy, SequenceModule, Series
from runtime.store.codec import decoded
from runtime.store.port import Put
from tests.golden.our_stories import AT, SERIES, TOKYO, sequence_module
from tests.support.service import both_stores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.service import Service, Services

pytestmark = both_stores

CONTENT = json.loads((Path(__file__).parent / "sequence-rows.json").read_text())
ROWS = {row["sk"]["S"]: row for row in CONTENT["local-t-sequences"]}
ANSWERS = [each["answer"] for each in CONTENT["answers"] if "no" in each["answer"]]
FORMATS = json.loads((Path(__file__).parent / "master-rows.json").read_text())["local-t-master-data"]
#: The series that a tenant's master data say how to print.
PRINTED = [
    Series("invoice", rotate_by=RotateBy.FISCAL_YEARLY, codes=1, mbc_fiscal_bucket=True, **TOKYO),
    Series("slip", **TOKYO),
]
GIVEN = {
    "typeCode": "given",
    "rotateBy": "monthly",
    "format": "%%code1%%-%%code2#:0>3%%-%%year%%%%month#:0>2%%%%day#:0>2%%-%%no#:0>3%%",
    "timezone": "Asia/Tokyo",
}


class Counters:
    def __init__(self, service: Service, table: str) -> None:
        self.table = table
        self.service = service
        self.user = service.user(tenant="mbc")
        self.sequences = sequence_module(service)

    def load(self, table: str, rows: Iterable[Any]) -> None:
        for row in rows:
            self.service.quiet.write(Put(table=table, row=decoded(row)))

    def next(self, sk: str) -> Any:
        type_code, *codes, _ = sk.split("#")
        return self.sequences.generate_sequence_item(
            type_code, codes=codes, date=AT, invoke_context=self.user
        )

    def row(self, sk: str) -> Any:
        key = {"pk": {"S": "SEQ#mbc"}, "sk": {"S": sk}}
        return self.service.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")


@pytest.fixture
def counters(make_service: Services) -> Counters:
    table, formats = make_service.table(), make_service.table()
    made = Counters(make_service(sequences_override=table, master_data_override=formats), table)
    made.load(formats, FORMATS)
    return made


@pytest.mark.parametrize("sk", SERIES)
def test_we_go_on_where_it_is(counters: Counters, sk: str) -> None:
    counters.load(counters.table, [ROWS[sk]])
    seq = int(ROWS[sk]["seq"]["N"])
    item = counters.next(sk)
    assert (item.no, item.id) == (seq + 1, f"SEQ#mbc#{sk}")
    row = counters.row(sk)
    assert set(row) == set(ROWS[sk])
    changed = {name for name in row if row[name] != ROWS[sk][name]}
    assert changed - {"updatedBy"} == {"seq", "requestId", "updatedAt", "updatedIp"}


@pytest.mark.parametrize(("codes", "series"), [(("A",), PRINTED[0]), ((), PRINTED[1])])
def test_we_print_by_their_master_data_as_they_do(
    counters: Counters, series: Series, codes: tuple[str, ...]
) -> None:
    sequences = SequenceModule(PRINTED)
    sequences.use(counters.service.resources)
    theirs = [each for each in ANSWERS if each["id"].startswith(f"SEQ#mbc#{series.type_code}#")]
    around = ("<", ">") if series.type_code == "slip" else ("", "")
    ours = [
        sequences.generate_sequence_item(
            series.type_code,
            codes=codes,
            date=AT,
            prefix=around[0],
            postfix=around[1],
            invoke_context=counters.user,
        )
        for _ in theirs
    ]
    assert [(each.id, each.no, each.formatted_no) for each in ours] == [
        (each["id"], each["no"], each["formattedNo"]) for each in theirs
    ]
    assert len(theirs) >= 2


def test_we_print_by_given_settings_as_they_do(counters: Counters) -> None:
    theirs = [each["formattedNo"] for each in ANSWERS if each["id"].startswith("SEQ#mbc#given#")]
    ours = [
        counters.sequences.generate_sequence_item_with_provide_setting(
            GIVEN, codes=("A", "B"), date=AT, invoke_context=counters.user
        ).formatted_no
        for _ in theirs
    ]
    assert ours == theirs
    assert ours[0] == "A-00B-20261121-001"
