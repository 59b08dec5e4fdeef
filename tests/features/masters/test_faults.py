"""Masters whose process dies at each of its calls, and whose store fails: nothing is lost or made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    ItemNotFoundError,
    RowExistsError,
    SettingItem,
    StoreUnavailableError,
)
from runtime.features.masters.apply import TenantMasters, apply_masters
from tests.features.masters.support import ADMIN, THEME, made, put_row, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.features.masters.master_module import MasterModule
    from runtime.testing import MemoryApp

METHODS = {"get", "batch_get", "query", "scan", "write", "update"}


class Died(BaseException):
    """What ends a process: nobody catches it."""


class Failing:
    """A store that fails at one of its calls, before or after it was done."""

    def __init__(self, store: Any, number: int, error: BaseException, *, done: bool) -> None:
        self._store, self._left, self._error, self._done = store, number, error, done
        self.called = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in METHODS:
            return method

        def call(*args: Any, **options: Any) -> Any:
            self.called += 1
            if self.called != self._left:
                return method(*args, **options)
            if self._done:
                method(*args, **options)
            raise self._error

        return call


def on(memory: MemoryApp, store: Any) -> None:
    """Let the app work on a store."""
    memory.resources.__dict__["store"] = store
    memory.app.use(memory.resources)


DOCUMENT = TenantMasters.of(
    {
        "settings": [{"code": "theme", "settingValue": {"rows": 7}}, {"code": "x", "settingValue": {"a": 1}}],
        "data": [{"settingCode": "colour", "code": "red", "name": "Red", "seq": 1}],
    }
)
BULK = [SettingItem(code=f"c{number}", value={"n": number}) for number in range(3)]
KEY = ("MASTER#acme", "MASTER_SETTING#there")
LIVES: dict[str, Callable[[MasterModule], Any]] = {
    "create": lambda master: master.settings.create_tenant_setting(THEME, {"rows": 3}, invoke_context=ADMIN),
    "upsert": lambda master: master.settings.upsert_setting("there", {"b": 2}, invoke_context=ADMIN),
    "update": lambda master: master.settings.update_setting(KEY, value={"b": 2}, invoke_context=ADMIN),
    "delete": lambda master: master.settings.delete_setting(KEY, invoke_context=ADMIN),
    "bulk": lambda master: master.settings.upsert_bulk(BULK, invoke_context=ADMIN),
    "retention": lambda master: master.retention.write("acme", "local-test-tenant-command", 9),
    "retention of before": lambda master: master.retention.write("acme", "old", 9),
    "apply": lambda master: apply_masters(master, "acme", DOCUMENT, prune=True),
}


def begun() -> tuple[MasterModule, MemoryApp]:
    master, memory = made()
    master.settings.create_tenant_setting("there", {"a": 1}, invoke_context=ADMIN)
    put_row(memory, master.module, "MASTER#acme", "TTL#old", {"days": 3})
    return master, memory


def state(memory: MemoryApp) -> dict[str, Any]:
    """What there is, apart from when and how often it was tried."""
    return {
        row["sk"]: (row["version"], row.get("isDeleted"), row.get("attributes"), row.get("seq"))
        for row in memory.rows("master", "data")
        if "type" in row
    }


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("life", LIVES)
def test_what_died_at_any_call_is_whole_when_it_is_repeated(life: str, done: bool) -> None:  # noqa: FBT001
    master, memory = begun()
    with memory:
        counted = Failing(memory.store, 0, Died(), done=False)
        on(memory, counted)
        LIVES[life](master)
        expected = state(memory)
    for number in range(1, counted.called + 1):
        master, memory = begun()
        with memory:
            on(memory, Failing(memory.store, number, Died(), done=done))
            with pytest.raises(Died):
                LIVES[life](master)
            on(memory, memory.store)
            try:
                LIVES[life](master)
            except RowExistsError:
                assert (life, done) == ("create", True)
            except ItemNotFoundError:
                assert (life, done) == ("delete", True)
            assert state(memory) == expected, number


def test_a_store_that_fails_is_an_error_and_never_another_level() -> None:
    for number in (1, 2):
        master, memory = made()
        with memory:
            registry = {"setting": [{"tenantRole": "clerk", "setting_groups": ["g"]}]}
            put_row(memory, memory.app.modules["tenant"], "TENANT#acme", "MASTER", registry)
            put_row(memory, master.module, "MASTER#acme", "MASTER_SETTING#GROUP#g#theme", {"rows": 1})
            clerk = user(roles=["clerk"])
            on(
                memory,
                Failing(
                    memory.store, number, StoreUnavailableError("busy", "ThrottlingException"), done=False
                ),
            )
            with pytest.raises(StoreUnavailableError):
                master.settings.get_setting(THEME, invoke_context=clerk)
            assert master.settings.get_setting(THEME, invoke_context=clerk).rows == 1
