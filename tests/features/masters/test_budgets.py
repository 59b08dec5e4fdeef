"""What settings cost, counted on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import Level, SettingItem
from tests.features.masters.lab import PK, MasterLab
from tests.features.masters.support import ADMIN, THEME, user
from tests.support.service import DYNAMODB, client_of, make_tables

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH_GET = "dynamodb:BatchGetItem"
GET = "dynamodb:GetItem"
TRANSACT = "dynamodb:TransactWriteItems"
ANN = user(roles=["clerk"])


@pytest.fixture
def lab(make_lab: Callable[[], MasterLab]) -> MasterLab:
    return make_lab()


on_dynamodb = pytest.mark.parametrize("make_lab", [DYNAMODB], indirect=True)


@on_dynamodb
def test_a_setting_takes_one_call_without_groups_and_none_when_it_is_remembered(lab: MasterLab) -> None:
    settings = lab.master.settings
    for calls in ([BATCH_GET], []):
        lab.wire.clear()
        assert settings.get_setting(THEME, invoke_context=ANN).rows == 20
        assert lab.wire.names() == calls
    settings.get_setting(THEME, consistent=True, invoke_context=ANN)
    assert lab.wire.names() == [BATCH_GET]


@on_dynamodb
def test_a_setting_takes_two_calls_with_groups(lab: MasterLab, emulator: Any) -> None:
    prefix = f"local-{lab.app_name}"
    make_tables(emulator, prefix, ["tenant-data"])
    lab.resources.settings.modules["tenant"] = {}
    groups = {"L": [{"S": f"g{number}"} for number in range(20)]}
    registry = {"L": [{"M": {"tenantRole": {"S": "clerk"}, "setting_groups": groups}}]}
    row = {"pk": {"S": "TENANT#acme"}, "sk": {"S": "MASTER"}, "attributes": {"M": {"setting": registry}}}
    client_of(emulator, "dynamodb").put_item(TableName=f"{prefix}-tenant-data", Item=row)
    lab.master.settings.upsert_setting(
        "theme", {"rows": 3}, level=Level.GROUP, group_id="g7", invoke_context=ADMIN
    )
    lab.wire.clear()
    assert lab.master.settings.get_setting(THEME, invoke_context=ANN).rows == 3
    assert lab.wire.names() == [BATCH_GET, BATCH_GET]


@on_dynamodb
def test_writes_take_two_calls_and_an_unchanged_one_one(lab: MasterLab) -> None:
    settings, context = lab.master.settings, ADMIN
    seen = []
    for value in ({"a": 1}, {"a": 1}, {"a": 2}):
        lab.wire.clear()
        settings.upsert_setting("x", value, invoke_context=context)
        seen.append(lab.wire.names())
    assert seen == [[BATCH_GET, TRANSACT], [BATCH_GET], [BATCH_GET, TRANSACT]]
    lab.wire.clear()
    settings.update_setting((PK, "MASTER_SETTING#x"), value={"b": 1}, invoke_context=context)
    assert lab.wire.names() == [BATCH_GET, TRANSACT]


@on_dynamodb
def test_a_hundred_settings_take_few_calls(lab: MasterLab) -> None:
    items = [SettingItem(code=f"c{number:03}", value={"n": number}) for number in range(100)]
    for calls in (6, 1):
        lab.wire.clear()
        outcomes = lab.master.settings.upsert_bulk(items, invoke_context=ADMIN)
        assert not [one for one in outcomes if isinstance(one, Exception)]
        assert len(lab.wire.names()) <= calls, lab.wire.names()
