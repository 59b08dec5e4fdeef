"""Masters whose process dies at each of its calls, and whose store fails: nothing is lost or made up."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    ItemNotFoundError,
    OutcomeUnknownError,
    RowExistsError,
    SettingItem,
    StoreUnavailableError,
)
from runtime.features.masters.apply import apply_masters
from runtime.features.masters.apply_document import TenantMasters
from tests.faults.scale import chosen, scaled
from tests.features.masters.support import ADMIN, ROOT, THEME, made, put_row, user
from tests.support.service import DYNAMODB, MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.features.masters.master_module import MasterModule
    from runtime.testing import MemoryApp
    from tests.features.masters.lab import MasterLab

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


FIELD = {"physicalName": "hex", "dataType": "string", "defaultValue": "000"}
DOCUMENT = TenantMasters.of(
    {
        "settings": [
            {"code": "theme", "settingValue": {"rows": 7}},
            {"code": "x", "settingValue": {"a": 1}},
            {"code": "colour", "settingValue": {"fields": [FIELD]}},
        ],
        "data": [
            {"settingCode": "colour", "code": "red", "name": "Red", "seq": 1},
            {"settingCode": "colour", "code": "blue", "name": "Blue"},
        ],
        "formats": [{"typeCode": "invoice", "attributes": {"format": "I%%no%%"}}],
        "retention": [{"module": "tenant", "kind": "command", "days": 9}],
    }
)
BULK = [SettingItem(code=f"c{number}", value={"n": number}) for number in range(3)]
ROWS = [{"settingCode": "colour", "code": f"c{number}", "name": "C"} for number in range(3)]
KEY = ("MASTER#acme", "MASTER_SETTING#there")
LIVES: dict[str, Callable[[MasterModule], Any]] = {
    "create": lambda master: master.settings.create_tenant_setting(THEME, {"rows": 3}, invoke_context=ADMIN),
    "upsert": lambda master: master.settings.upsert_setting("there", {"b": 2}, invoke_context=ADMIN),
    "update": lambda master: master.settings.update_setting(KEY, value={"b": 2}, invoke_context=ADMIN),
    "delete": lambda master: master.settings.delete_setting(KEY, invoke_context=ADMIN),
    "bulk": lambda master: master.settings.upsert_bulk(BULK, invoke_context=ADMIN),
    "retention": lambda master: master.retention.write("acme", "local-test-tenant-command", 9),
    "retention of before": lambda master: master.retention.write("acme", "old", 9),
    "row": lambda master: master.data.upsert("colour", "tan", "Tan", invoke_context=ADMIN),
    "row changed": lambda master: master.data.update("colour", "old", {"seq": 4}, invoke_context=ADMIN),
    "rows": lambda master: master.data.upsert_bulk(ROWS, invoke_context=ADMIN),
    "format": lambda master: master.data.formats.upsert(
        "invoice", {"format": "I%%no%%"}, tenant_code="acme", invoke_context=ROOT
    ),
    "apply": lambda master: apply_masters(master, "acme", DOCUMENT, prune=True),
}


def begun() -> tuple[MasterModule, MemoryApp]:
    master, memory = made()
    master.settings.create_tenant_setting("there", {"a": 1}, invoke_context=ADMIN)
    put_row(memory, master.module, "MASTER#acme", "TTL#old", {"days": 3})
    master.data.create("colour", "old", "Old", invoke_context=ADMIN)
    return master, memory


def state(memory: MemoryApp) -> dict[str, Any]:
    """What there is, apart from when and how often it was tried."""
    return {
        row["sk"]: (row.get("version"), row.get("isDeleted"), row.get("attributes"), row.get("seq"))
        for row in memory.rows("master", "data")
        if "type" in row
    }


def lived(life: str) -> tuple[dict[str, Any], int]:
    """What there is after a life without a fault, and how many calls it took."""
    master, memory = begun()
    with memory:
        counted = Failing(memory.store, 0, Died(), done=False)
        on(memory, counted)
        LIVES[life](master)
        return state(memory), counted.called


def repeated(life: str, master: MasterModule) -> None:
    """Do it once more: of what is done already, each may be told."""
    try:
        LIVES[life](master)
    except RowExistsError:
        assert life == "create"
    except ItemNotFoundError:
        assert life == "delete"


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("life", LIVES)
def test_what_died_at_any_call_is_whole_when_it_is_repeated(life: str, done: bool) -> None:  # noqa: FBT001
    expected, calls = lived(life)
    for number in range(1, calls + 1):
        master, memory = begun()
        with memory:
            on(memory, Failing(memory.store, number, Died(), done=done))
            with pytest.raises(Died):
                LIVES[life](master)
            on(memory, memory.store)
            if done:
                repeated(life, master)
            else:
                LIVES[life](master)
            assert state(memory) == expected, number
            repeated(life, master)  # delivered once too often
            assert state(memory) == expected, number


@pytest.mark.parametrize("life", LIVES)
def test_what_died_twice_is_whole_when_it_is_repeated(life: str) -> None:
    """The answer of one call got lost, and the process that repeats it dies at another."""
    expected, calls = lived(life)
    faults = itertools.product(range(1, calls + 1), range(1, calls + 1), [False, True])
    for first, second, done in chosen(faults, at_least=8):
        master, memory = begun()
        with memory:
            lost = OutcomeUnknownError("dynamodb", "timeout")
            on(memory, Failing(memory.store, first, lost, done=True))
            with suppress(OutcomeUnknownError):  # what is done for each row is told by row
                LIVES[life](master)
            on(memory, Failing(memory.store, second, Died(), done=done))
            with suppress(Died):  # there may be nothing left to do at that call
                repeated(life, master)
            on(memory, memory.store)
            repeated(life, master)
            assert numbered(state(memory)) == numbered(expected), (first, second, done)


def numbered(rows: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Rows, and their numbers: a row that failed by itself comes after the others."""
    return {sk: row[:-1] for sk, row in rows.items()}, sorted(row[-1] or 0 for row in rows.values())


class Forgetful:
    """A store whose answers get lost now and then, after it has written, and before."""

    def __init__(self, store: Any, seed: int) -> None:
        self._store, self._random = store, random.Random(seed)  # noqa: S311 - to be repeated

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in {"write", "update"}:
            return method

        def call(*args: Any, **options: Any) -> Any:
            luck = self._random.random()
            if luck < LOST / 2:
                raise OutcomeUnknownError("dynamodb", "timeout")  # noqa: EM101
            found = method(*args, **options)
            if luck < LOST:
                raise OutcomeUnknownError("dynamodb", "timeout")  # noqa: EM101
            return found

        return call


LOST = 0.3
WRITERS, TURNS = scaled(3, 6), scaled(4, 30)
WRITTEN_TO = [MEMORY, *[DYNAMODB][: scaled(0, 1)]]


@pytest.mark.parametrize("make_lab", WRITTEN_TO, indirect=True)
def test_writers_at_once_lose_answers_and_nothing_else(make_lab: Callable[[], MasterLab]) -> None:
    """Each in a process of its own patches one setting, replaces another, and makes rows of one table."""
    lab = make_lab()
    lab.master.settings.create_tenant_setting("shared", {}, invoke_context=ADMIN)

    def until_known(do: Callable[[], Any]) -> Any:
        while True:
            try:
                return do()
            except OutcomeUnknownError:
                continue

    def write(writer: int) -> None:
        own = lab.again()
        own.resources.__dict__["store"] = Forgetful(own.resources.store, writer)
        own.master.use(own.resources)
        settings, data = own.master.settings, own.data
        for turn in range(TURNS):
            patch = {f"w{writer}": {f"t{turn}": turn}}
            until_known(lambda: settings.update_setting("shared", value=patch, invoke_context=ADMIN))  # noqa: B023
            until_known(lambda: settings.upsert_setting(f"own{writer}", {"t": turn}, invoke_context=ADMIN))  # noqa: B023
            code = f"w{writer}t{turn}"
            until_known(lambda: data.upsert("colour", code, "C", invoke_context=ADMIN))  # noqa: B023

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    rows, commands = lab.rows(), lab.rows("command")
    turns = {f"t{turn}": turn for turn in range(TURNS)}
    assert rows["MASTER_SETTING#shared"]["attributes"] == {f"w{each}": turns for each in range(WRITERS)}
    assert rows["MASTER_SETTING#shared"]["version"] == 1 + WRITERS * TURNS
    for writer in range(WRITERS):
        own = rows[f"MASTER_SETTING#own{writer}"]
        assert (own["version"], own["attributes"]) == (TURNS, {"t": TURNS - 1})
    numbers = sorted(row["seq"] for sk, row in rows.items() if sk.startswith("colour#"))
    assert numbers == [*range(1, WRITERS * TURNS + 1)]
    assert len(commands) == 1 + 3 * WRITERS * TURNS


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
