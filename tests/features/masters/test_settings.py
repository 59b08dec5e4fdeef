"""Settings: who may write them, what a write changes, and what is refused before anything is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, computed_field

from runtime import (
    REMOVE,
    BadRequestError,
    ConfigurationError,
    CqrsModel,
    ForbiddenError,
    InvalidInputError,
    ItemNotFoundError,
    MasterModule,
    Setting,
    SettingDoesNotFitError,
    SettingItem,
)
from runtime.features.masters.keys import RESERVED_CODES, Level
from tests.features.masters.support import ADMIN, ROOT, THEME, WHOLE, Theme, made, put_row, user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.features.masters.setting_place import SettingPlace
    from runtime.testing import MemoryApp
    from tests.features.masters.lab import MasterLab

ANN = user()
BOB = user("bob", "other", roles=["master_admin"])


@pytest.fixture
def both() -> Iterator[tuple[MasterModule, MemoryApp]]:
    master, memory = made()
    with memory:
        yield master, memory


@pytest.fixture
def master(both: tuple[MasterModule, MemoryApp]) -> MasterModule:
    return both[0]


@pytest.fixture
def memory(both: tuple[MasterModule, MemoryApp]) -> MemoryApp:
    return both[1]


def written(memory: MemoryApp) -> int:
    return len(memory.rows("master", "command"))


@pytest.mark.parametrize(
    "options",
    [
        {"cache": 5},
        {"cache": timedelta(seconds=-1)},
        {"roles": "admin"},
        {"roles": None},
        {"roles": [5]},
        {"roles": [""]},
        {"settings": None},
        {"settings": ["theme"]},
        {"settings": [THEME, Setting("theme", Theme)]},
    ],
)
def test_what_cannot_be_a_module_says_so(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options)).removesuffix("s")):
        MasterModule(**options)


def test_without_roles_of_its_own_only_those_who_cross_tenants_and_system_admins_write() -> None:
    master, memory = made(roles=[])
    with memory:
        with pytest.raises(ForbiddenError):
            master.settings.create_tenant_setting("x", {}, invoke_context=ADMIN)
        system = user(roles=["system_admin"])
        assert master.settings.create_tenant_setting("x", {}, invoke_context=system).version == 1


def test_each_level_wins_over_those_below(master: MasterModule, memory: MemoryApp) -> None:
    registry = {"setting": [{"tenantRole": "clerk", "setting_groups": ["tokyo#sales"]}]}
    put_row(memory, memory.app.modules["tenant"], "TENANT#acme", "MASTER", registry)
    ann, settings = user(roles=["clerk"]), master.settings
    seen = [settings.get_setting(THEME, invoke_context=ann).rows]
    settings.create_common_tenant_setting(THEME, Theme(rows=1), invoke_context=ROOT)
    seen.append(settings.get_setting(THEME, invoke_context=ann).rows)
    settings.create_tenant_setting(THEME, {"rows": 2}, invoke_context=ADMIN)
    seen.append(settings.get_setting(THEME, invoke_context=ann).rows)
    settings.create_group_setting(THEME, {"rows": 3}, group_id="tokyo#sales", invoke_context=ADMIN)
    seen.append(settings.get_setting(THEME, invoke_context=ann).rows)
    settings.create_user_setting(THEME, {"rows": 4, "pageTitle": "Hi"}, user_id="ann", invoke_context=ann)
    seen.append(settings.get_setting(THEME, invoke_context=ann).rows)
    assert seen == [20, 1, 2, 3, 4]
    why = settings.explain(THEME, invoke_context=ann)
    assert why.field_levels == {"rows": Level.USER, "page_title": Level.USER, "colour": Level.DEFAULT}
    assert why.field_ids["rows"] == "MASTER#acme#MASTER_SETTING#USER#ann#theme"
    assert [row.owner for row in why.rows] == ["ann", "tokyo#sales", "", ""]

    settings.delete_setting(THEME, level=Level.USER, user_id="ann", invoke_context=ann)
    settings.delete_setting(THEME, level=Level.GROUP, group_id="tokyo#sales", invoke_context=ADMIN)
    assert settings.get_setting(THEME, invoke_context=ann).rows == 2
    found = settings.get_setting("theme", invoke_context=ann)
    assert found == {"id": "MASTER#acme#MASTER_SETTING#theme", "settingValue": {"rows": 2}}


def test_a_code_that_is_given_nowhere_is_not_found(master: MasterModule) -> None:
    for ask in (master.settings.get_setting, master.settings.explain):
        with pytest.raises(ItemNotFoundError):
            ask("nothing", invoke_context=ANN)
    assert not master.settings.check_exist_code("theme", invoke_context=ANN)


def test_a_live_setting_is_not_created_twice_and_a_deleted_one_is_created_again(
    master: MasterModule,
) -> None:
    settings = master.settings
    first = settings.create_tenant_setting("list", {"a": 1}, name="List", invoke_context=ADMIN)
    with pytest.raises(BadRequestError, match="already"):
        settings.create_tenant_setting("list", {"a": 2}, invoke_context=ADMIN)
    settings.delete_setting("list", invoke_context=ADMIN)
    with pytest.raises(ItemNotFoundError):
        settings.delete_setting("list", invoke_context=ADMIN)
    with pytest.raises(ItemNotFoundError):
        settings.update_setting(("MASTER#acme", "MASTER_SETTING#list"), name="x", invoke_context=ADMIN)
    again = settings.create_tenant_setting("list", {"b": 1}, invoke_context=ADMIN)
    assert (first.version, again.version, again.attributes, again.name) == (1, 3, {"b": 1}, "list")
    assert settings.check_exist_code("list", invoke_context=ANN)


PATCHES = st.fixed_dictionaries(
    {}, optional={"rows": st.integers(1, 9), "colour": st.sampled_from(["red", "green"])}
)


@given(value=PATCHES, patch=st.none() | PATCHES, name=st.none() | st.sampled_from(["A", "B"]))
def test_what_a_patch_does_not_name_stays(
    value: dict[str, Any], patch: dict[str, Any] | None, name: str | None
) -> None:
    master, memory = made()
    with memory:
        for code in ("theme", "free"):
            before = master.settings.create_tenant_setting(code, value, name="First", invoke_context=ADMIN)
            after = master.settings.update_setting(
                before.id or "", name=name, value=patch, invoke_context=ADMIN
            )
            assert after.attributes == {**value, **(patch or {})}
            assert after.name == (name or "First")
            is_same = after.attributes == value and after.name == "First"
            assert after.version == (1 if is_same else 2)


class Column(CqrsModel):
    page_title: str = ""
    width: int = 1


class Table(CqrsModel):
    first_column: Column = Column()
    columns: dict[str, Column] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        return len(self.columns)


@pytest.mark.parametrize("merge", [False, True])
def test_a_patch_reaches_fields_at_any_depth_by_either_name(master: MasterModule, merge: bool) -> None:  # noqa: FBT001
    table, settings = Setting("table", Table, merge=merge), master.settings
    value = {"first_column": {"page_title": "A", "width": 2}, "columns": {"x": {"pageTitle": "X"}}}
    row = settings.create_tenant_setting(table, value, invoke_context=ADMIN)
    expected = {
        "firstColumn": {"pageTitle": "A", "width": 2},
        "columns": {"x": {"pageTitle": "X", "width": 1}},
    }
    assert row.attributes == expected
    patches: list[tuple[Any, str, Any]] = [
        ({"first_column": {"page_title": "B"}}, "firstColumn", {"pageTitle": "B", "width": 2}),
        ({"firstColumn": {"width": 3}}, "firstColumn", {"pageTitle": "B", "width": 3}),
        ({"first_column": {"pageTitle": REMOVE}}, "firstColumn", {"pageTitle": "", "width": 3}),
        (Table(first_column=Column(width=4)), "firstColumn", {"pageTitle": "", "width": 4}),
        ({"columns": {"x": {"page_title": "Y"}}}, "columns", {"x": {"pageTitle": "Y", "width": 1}}),
    ]
    for patch, column, change in patches:
        expected[column] = change
        assert settings.update_setting(table, value=patch, invoke_context=ADMIN).attributes == expected
    mistakes: list[tuple[Any, str]] = [
        ({"first_column": {"nope": 1}}, "settingValue.first_column.nope"),
        ({"first_column": {}, "firstColumn": {}}, "settingValue.firstColumn"),
        ({"columns": {"x": {"width": "wide"}}}, "settingValue.columns.x.width"),
        ({"count": 5}, "settingValue.count"),
    ]
    for wrong, where in mistakes:
        with pytest.raises(InvalidInputError) as patched:
            settings.update_setting(table, value=wrong, invoke_context=ADMIN)
        with pytest.raises(InvalidInputError) as replaced:
            settings.upsert_setting(table, wrong, invoke_context=ADMIN)
        for refused in (patched, replaced):
            assert [problem.field for problem in refused.value.problems] == [where]
    assert settings.get_setting(table, strict=True, invoke_context=ANN).first_column == Column(width=4)


def test_a_row_is_named_by_its_setting_its_id_or_its_key(master: MasterModule) -> None:
    settings = master.settings
    place: Any = {"level": Level.GROUP, "group_id": "tokyo#sales"}
    made = settings.upsert_setting(THEME, {"rows": 1}, invoke_context=ADMIN, **place)
    key = ("MASTER#acme", "MASTER_SETTING#GROUP#tokyo#sales#theme")
    ways: list[tuple[Any, dict[str, Any]]] = [(THEME, place), ("theme", place), (made.id, {}), (key, {})]
    for number, (setting, where) in enumerate(ways, start=2):
        changed = settings.update_setting(setting, value={"rows": number}, invoke_context=ADMIN, **where)
        assert (changed.version, changed.attributes) == (number, {"rows": number})
        row = settings.get_detail(setting, invoke_context=ADMIN, **where)
        assert (row.pk, row.sk) == key
    for setting, where in ways:
        settings.delete_setting(setting, invoke_context=ADMIN, **where)
        settings.upsert_setting(THEME, {"rows": 1}, invoke_context=ADMIN, **place)
    writes: list[Any] = [settings.update_setting, settings.delete_setting, settings.get_detail]
    for write in writes:
        with pytest.raises(InvalidInputError, match="group_id: is said by the key"):
            write(made.id or "", group_id="other", invoke_context=ADMIN)
        with pytest.raises(TypeError, match="groupe"):
            write("theme", groupe="g", invoke_context=ADMIN)


def test_an_unchanged_upsert_writes_no_version(master: MasterModule, memory: MemoryApp) -> None:
    for _ in range(3):
        row = master.settings.upsert_setting(WHOLE, Theme(rows=3), invoke_context=ADMIN)
        assert row.version == 1
    assert written(memory) == 1
    changed = master.settings.upsert_setting(WHOLE, Theme(rows=4), invoke_context=ADMIN)
    assert (changed.version, written(memory)) == (2, 2)


@pytest.mark.parametrize("code", [*sorted(RESERVED_CODES), "", "a#b", "a\n", "a@1", 7])
def test_codes_are_refused_before_anything_is_written(
    master: MasterModule, memory: MemoryApp, code: Any
) -> None:
    settings = master.settings
    for write in (settings.create_tenant_setting, settings.upsert_setting):
        with pytest.raises(InvalidInputError) as refused:
            write(code, {}, invoke_context=ADMIN)
        assert [problem.field for problem in refused.value.problems] == ["code"]
    assert written(memory) == 0


@pytest.mark.parametrize("value", [{"rows": "many"}, {"unknown": 1}, "text", None, [1]])
def test_values_are_refused_by_field(master: MasterModule, memory: MemoryApp, value: Any) -> None:
    for setting in (THEME, "whole"):
        with pytest.raises(InvalidInputError) as refused:
            master.settings.create_tenant_setting(setting, value, invoke_context=ADMIN)
        assert refused.value.problems[0].field.startswith("settingValue")
    assert written(memory) == 0


@pytest.mark.parametrize(
    "value", [{"a": float("nan")}, {"a": object()}, {1: 2}, {"a": "\ud800"}, {"a": {"b": float("inf")}}]
)
def test_what_cannot_be_stored_is_refused_by_the_name_that_callers_know(
    master: MasterModule, memory: MemoryApp, value: Any
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        master.settings.upsert_setting("free", value, invoke_context=ADMIN)
    assert [problem.field.partition(".")[0] for problem in refused.value.problems] == ["settingValue"]
    [outcome] = master.settings.upsert_bulk([SettingItem(code="free", value=value)], invoke_context=ADMIN)
    assert str(outcome) == str(refused.value)
    assert written(memory) == 0


def test_what_is_no_item_takes_no_other_with_it(master: MasterModule) -> None:
    items: Any = [{"code": "x"}, SettingItem(code="x", value={"a": 1})]
    refused, made = master.settings.upsert_bulk(items, invoke_context=ADMIN)
    assert isinstance(refused, InvalidInputError)
    assert not isinstance(made, Exception)


@pytest.mark.parametrize("owner", [None, "", "a##b", 3])
def test_groups_and_users_are_required(master: MasterModule, memory: MemoryApp, owner: Any) -> None:
    settings = master.settings
    with pytest.raises(InvalidInputError, match="groupId"):
        settings.create_group_setting("x", {}, group_id=owner, invoke_context=ADMIN)
    with pytest.raises(InvalidInputError, match="userId"):
        settings.create_user_setting("x", {}, user_id=owner, invoke_context=ADMIN)
    with pytest.raises(InvalidInputError, match="userId"):
        settings.upsert_setting("x", {}, level=Level.USER, user_id=owner, invoke_context=ADMIN)
    assert written(memory) == 0


def test_levels_and_owners_have_to_agree(master: MasterModule, memory: MemoryApp) -> None:
    for level, owners in [
        (Level.TENANT, {"user_id": "ann"}),
        (Level.COMMON, {"group_id": "g"}),
        (Level.DEFAULT, {}),
        ("comon", {}),
        ("TENANT", {}),
        (None, {}),
    ]:
        with pytest.raises(InvalidInputError):
            master.settings.upsert_setting("x", {}, level=level, invoke_context=ROOT, **owners)  # type: ignore[arg-type]
    assert written(memory) == 0


def test_who_may_not_write_is_refused(master: MasterModule, memory: MemoryApp) -> None:
    settings = master.settings
    for who in (ANN, BOB, user("eve", roles=["clerk"])):
        with pytest.raises(ForbiddenError):
            settings.create_tenant_setting("x", {}, tenant_code="acme", invoke_context=who)
        with pytest.raises(ForbiddenError):
            settings.create_group_setting("x", {}, group_id="g", tenant_code="acme", invoke_context=who)
        with pytest.raises(ForbiddenError):
            settings.create_user_setting("x", {}, user_id="adam", tenant_code="acme", invoke_context=who)
        with pytest.raises(ForbiddenError):
            settings.create_common_tenant_setting("x", {}, invoke_context=who)
    with pytest.raises(ForbiddenError):
        settings.create_common_tenant_setting("x", {}, invoke_context=ADMIN)
    assert written(memory) == 0
    settings.create_tenant_setting("x", {"a": 1}, invoke_context=ADMIN)
    key = ("MASTER#acme", "MASTER_SETTING#x")
    for who in (ANN, BOB):
        with pytest.raises(ForbiddenError):
            settings.update_setting(key, value={"a": 2}, invoke_context=who)
        with pytest.raises(ForbiddenError):
            settings.delete_setting(key, invoke_context=who)
    with pytest.raises(ForbiddenError):
        settings.get_setting("x", tenant_code="acme", invoke_context=BOB)
    with pytest.raises(ForbiddenError):
        settings.get_detail(key, invoke_context=BOB)


@pytest.mark.parametrize("setting", [WHOLE, "whole", "unknown"], ids=str)
def test_users_write_what_the_code_lets_them(
    master: MasterModule, memory: MemoryApp, setting: Setting[Any] | str
) -> None:
    """`THEME` they may, and no other: neither one that the code knows, nor one that it does not know."""
    settings = master.settings
    mine: SettingPlace = {"level": Level.USER, "user_id": "ann"}
    for theirs in (THEME, "theme"):
        settings.upsert_setting(theirs, {"rows": 4}, **mine, invoke_context=ANN)
        settings.update_setting(theirs, value={"rows": 5}, **mine, invoke_context=ANN)
        settings.delete_setting(theirs, **mine, invoke_context=ANN)
        with pytest.raises(ForbiddenError):
            settings.upsert_setting(theirs, {"rows": 4}, level=Level.USER, user_id="bob", invoke_context=ANN)
    before = written(memory)
    with pytest.raises(ForbiddenError):
        settings.upsert_setting(setting, {"rows": 4}, **mine, invoke_context=ANN)
    assert written(memory) == before
    made = settings.upsert_setting(setting, {"rows": 4}, **mine, invoke_context=ADMIN)
    for row in (made.id or "", setting):
        place: SettingPlace = {} if row == made.id else mine
        with pytest.raises(ForbiddenError):
            settings.update_setting(row, value={"rows": 9}, **place, invoke_context=ANN)
        with pytest.raises(ForbiddenError):
            settings.delete_setting(row, **place, invoke_context=ANN)
    found = settings.upsert_bulk([SettingItem(code="whole", value={}, **mine)], invoke_context=ANN)
    assert [type(one) for one in found] == [ForbiddenError]
    assert written(memory) == before + 1


def test_settings_of_other_users_are_not_shown(master: MasterModule) -> None:
    settings = master.settings
    settings.create_user_setting("x", {"secret": 1}, user_id="ann", invoke_context=ADMIN)
    settings.create_tenant_setting("y", {}, invoke_context=ADMIN)
    eve = user("eve")
    assert [row.code for row in settings.iter_settings(invoke_context=ANN)] == ["x", "y"]
    assert [row.code for row in settings.iter_settings(invoke_context=ADMIN)] == ["x", "y"]
    assert [row.code for row in settings.iter_settings(invoke_context=eve)] == ["y"]
    for ask in (settings.get_setting, settings.explain):
        with pytest.raises(ForbiddenError):
            ask("x", user_id="ann", tenant_code="acme", invoke_context=eve)
    with pytest.raises(ForbiddenError):
        settings.get_detail("MASTER#acme#MASTER_SETTING#USER#ann#x", invoke_context=eve)


def test_what_is_remembered_counts_for_a_minute_and_own_writes_at_once(
    master: MasterModule, memory: MemoryApp
) -> None:
    settings = master.settings
    assert settings.get_setting(THEME, invoke_context=ANN).rows == 20
    put_row(memory, master.module, "MASTER#acme", "MASTER_SETTING#theme", {"rows": 5})
    assert settings.get_setting(THEME, invoke_context=ANN).rows == 20
    assert settings.get_setting(THEME, consistent=True, invoke_context=ANN).rows == 5
    put_row(memory, master.module, "MASTER#acme", "MASTER_SETTING#theme", {"rows": 6})
    memory.clock.advance(seconds=61)
    assert settings.get_setting(THEME, invoke_context=ANN).rows == 6
    settings.upsert_setting(THEME, {"rows": 7}, invoke_context=ADMIN)
    assert settings.get_setting(THEME, invoke_context=ANN).rows == 7


def test_what_a_caller_does_to_a_value_is_not_remembered(master: MasterModule) -> None:
    """Neither by code, nor in a field that the model takes as it is, nor by `explain`."""

    class Free(CqrsModel):
        any: Any = None

    settings, free = master.settings, Setting("free", Free)
    settings.create_tenant_setting(free, {"any": {"a": [1]}}, invoke_context=ADMIN)
    values: list[Callable[[], Any]] = [
        lambda: settings.get_setting("free", invoke_context=ANN)["settingValue"]["any"],
        lambda: settings.get_setting(free, invoke_context=ANN).any,
        lambda: settings.explain("free", invoke_context=ANN).value["any"],
        lambda: settings.explain("free", invoke_context=ANN).rows[0].values["any"],
    ]
    for value in values:
        value()["a"].append(666)
        assert settings.get_setting("free", invoke_context=ANN)["settingValue"] == {"any": {"a": [1]}}


def test_what_does_not_fit_is_an_error_for_those_who_are_strict(
    master: MasterModule, memory: MemoryApp
) -> None:
    put_row(memory, master.module, "MASTER#acme", "MASTER_SETTING#theme", {"rows": "many"})
    assert master.settings.get_setting(THEME, invoke_context=ANN) == Theme()
    for ask in (master.settings.get_setting, master.settings.explain):
        with pytest.raises(SettingDoesNotFitError, match="rows"):
            ask(THEME, strict=True, invoke_context=ANN)


def test_a_tenant_has_one_spelling(master: MasterModule, memory: MemoryApp) -> None:
    made = master.settings.create_tenant_setting("x", {}, tenant_code="ACME", invoke_context=ROOT)
    assert made.pk == "MASTER#acme"
    for write in (master.settings.update_setting, master.settings.delete_setting, master.settings.get_detail):
        with pytest.raises(InvalidInputError, match="lower case"):
            write(("MASTER#ACME", "MASTER_SETTING#x"), invoke_context=ROOT)
    assert written(memory) == 1


def test_a_life_on_each_store(lab: MasterLab) -> None:
    settings = lab.master.settings
    made = settings.create_tenant_setting("x", {"a": 1.5, "b": {"c": None}}, invoke_context=ADMIN)
    settings.create_user_setting("x", {"a": 2}, user_id="ann", invoke_context=ADMIN)
    assert settings.get_setting("x", invoke_context=ANN)["settingValue"] == {"a": 2}
    settings.update_setting(made.id or "", value={"b": {"d": 1}}, invoke_context=ADMIN)
    settings.delete_setting("x", level=Level.USER, user_id="ann", invoke_context=ADMIN)
    found = settings.get_setting("x", consistent=True, invoke_context=ANN)
    assert found == {"id": made.id, "settingValue": {"a": 1.5, "b": {"c": None, "d": 1}}}
    assert [row.code for row in settings.iter_settings(invoke_context=ANN)] == ["x"]
    rows = list(settings.iter_settings(include_deleted=True, invoke_context=ADMIN))
    assert [(row.version, row.is_deleted) for row in rows] == [(2, True), (2, False)]


def test_two_admins_at_once_lose_nothing(master: MasterModule) -> None:
    row = master.settings.create_tenant_setting("x", {}, invoke_context=ADMIN)

    def patch(number: int) -> None:
        master.settings.update_setting(row.id or "", value={f"k{number}": number}, invoke_context=ADMIN)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(patch, range(10)))
    found = master.settings.get_setting("x", consistent=True, invoke_context=ADMIN)
    assert found["settingValue"] == {f"k{number}": number for number in range(10)}


def test_where_nobody_asks_the_service_itself_writes(master: MasterModule, memory: MemoryApp) -> None:
    settings, data = master.settings, master.data
    settings.create_common_tenant_setting(THEME, {"rows": 2})
    given = settings.create_tenant_setting(THEME, {"rows": 3}, tenant_code="acme")
    settings.update_setting((given.pk, "MASTER_SETTING#theme"), value={"colour": "red"})
    settings.upsert_setting(THEME, {"rows": 4}, level=Level.USER, user_id="ann", tenant_code="acme")
    assert settings.get_setting(THEME, tenant_code="acme", user_id="ann") == Theme(rows=4, colour="red")
    data.create("colour", "red", "Red", tenant_code="acme")
    (result,) = data.upsert_bulk(
        [{"settingCode": "colour", "code": "blue", "name": "Blue", "tenantCode": "acme"}]
    )
    assert result.outcome == "created"
    data.update("colour", "red", {"name": "Rot"}, tenant_code="acme")
    data.delete("colour", "blue", tenant_code="acme")
    assert [row.name for row in data.iter_data("colour", tenant_code="acme")] == ["Rot"]
    data.formats.upsert("ticket", {"format": "%%no%%"}, tenant_code="acme")
    data.formats.delete("ticket", tenant_code="acme")
    master.retention.set_days("master", "command", 30, tenant_code="acme")
    assert {row["createdBy"] for row in memory.rows("master", "command")} == {"cqrs"}
