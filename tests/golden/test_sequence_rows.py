"""Counters are shared with MBC CQRS Serverless: it goes on where we are, and we where it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import RotateBy, SequenceModule, Series
from tests.support.service import client_of, put_rows

if TYPE_CHECKING:
    from tests.support.service import Service, Services

ROWS = {
    row["sk"]["S"]: row
    for row in json.loads((Path(__file__).parent / "sequence-rows.json").read_text())["local-t-sequences"]
}
TOKYO: dict[str, Any] = {"timezone": "Asia/Tokyo"}
SERIES = {
    "plain#none": Series("plain", **TOKYO),
    "daily#20261121": Series("daily", rotate_by=RotateBy.DAILY, **TOKYO),
    "monthly#A#202611": Series("monthly", rotate_by=RotateBy.MONTHLY, codes=1, **TOKYO),
    "yearly#A#B#2026": Series("yearly", rotate_by=RotateBy.YEARLY, codes=2, **TOKYO),
    "fiscal#2026": Series("fiscal", rotate_by=RotateBy.FISCAL_YEARLY, mbc_fiscal_bucket=True, **TOKYO),
}
#: 21 November in Tokyo, and the 20th in UTC.
AT = datetime(2026, 11, 20, 16, tzinfo=UTC)


class Counters:
    def __init__(self, service: Service, table: str) -> None:
        self.table = table
        self.client = client_of(service.where, "dynamodb")
        self.user = service.user(tenant="mbc")
        self.sequences = SequenceModule(SERIES.values(), settings_from_master=False)
        self.sequences.use(service.resources)

    def next(self, sk: str) -> Any:
        type_code, *codes, _ = sk.split("#")
        return self.sequences.generate_sequence_item(
            type_code, codes=codes, date=AT, invoke_context=self.user
        )

    def row(self, sk: str) -> Any:
        key = {"pk": {"S": "SEQ#mbc"}, "sk": {"S": sk}}
        return self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")

    def theirs(self, sk: str) -> int:
        """The one update of the reference."""
        golden = ROWS[sk]
        kept = ("createdAt", "createdBy", "createdIp")
        replaced = [name for name in golden if name not in {"pk", "sk", "seq", *kept}]
        sets = [f"#{name} = :{name}" for name in replaced]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in kept]
        found = self.client.update_item(
            TableName=self.table,
            Key={"pk": golden["pk"], "sk": golden["sk"]},
            UpdateExpression=f"SET {', '.join(sets)}, #seq = if_not_exists(#seq, :zero) + :one",
            ExpressionAttributeNames={f"#{name}": name for name in (*replaced, *kept, "seq")},
            ExpressionAttributeValues={
                **{f":{name}": golden[name] for name in (*replaced, *kept)},
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
            },
            ReturnValues="ALL_NEW",
        )
        return int(found["Attributes"]["seq"]["N"])


@pytest.fixture
def counters(make_service: Services) -> Counters:
    table = make_service.table()
    return Counters(make_service(sequences_override=table), table)


@pytest.mark.parametrize("sk", ROWS)
def test_we_go_on_where_it_is(counters: Counters, sk: str) -> None:
    put_rows(counters.client, [(counters.table, ROWS[sk])])
    seq = int(ROWS[sk]["seq"]["N"])
    item = counters.next(sk)
    assert (item.no, item.id) == (seq + 1, f"SEQ#mbc#{sk}")
    row = counters.row(sk)
    assert set(row) == set(ROWS[sk])
    changed = {name for name in row if row[name] != ROWS[sk][name]}
    assert changed == {"seq", "requestId", "updatedAt", "updatedBy", "updatedIp"}
    assert counters.theirs(sk) == seq + 2
    assert counters.next(sk).no == seq + 3


@pytest.mark.parametrize("sk", ROWS)
def test_it_goes_on_where_we_are(counters: Counters, sk: str) -> None:
    assert counters.next(sk).no == 1
    ours, golden = counters.row(sk), ROWS[sk]
    assert {name: [*value] for name, value in ours.items()} == {
        name: [*value] for name, value in golden.items()
    }
    for name in ("pk", "sk", "code", "name", "tenantCode", "type", "createdBy", "createdIp"):
        assert ours[name] == golden[name]
    for name in ("createdAt", "updatedAt"):
        assert datetime.fromisoformat(ours[name]["S"]).tzinfo is not None
    assert counters.theirs(sk) == 2
    assert counters.row(sk)["createdAt"] == ours["createdAt"]
    type_code, *codes, bucket = sk.split("#")
    show = counters.sequences.show_sequence
    current = show(type_code, bucket=bucket, codes=codes, tenant_code="mbc")
    assert current is not None
    assert current.no == 2
