"""Schemas: every type and each change of one; rows are held to it, and it is held to its rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from runtime import BadRequestError, ForbiddenError, InvalidInputError, SchemaInUseError, SettingItem
from runtime.features.masters.schema_fields import TYPES
from runtime.features.masters.schemas import RowSchema
from tests.features.masters.support import ADMIN, user

if TYPE_CHECKING:
    from tests.features.masters.lab import MasterLab

in_memory = pytest.mark.parametrize("make_lab", ["memory"], indirect=True)

#: Of each type: a value that fits, and one that does not.
VALUES: dict[str, tuple[Any, Any]] = {
    "string": ("x", 5),
    "text-area": ("x\ny", 5),
    "text-html": ("<b>x</b>", ["x"]),
    "text-markdown": ("*x*", True),
    "number": (1.5, "1.5"),
    "integer": (7, 1.5),
    "auto_number": (7, "7"),
    "boolean": (False, "false"),
    "json": ({"any": ["thing"]}, None),
    "date": ("2026-02-28", "2026-02-30"),
    "datetime": ("2026-02-28T10:00:00+09:00", "2026-02-28"),
    "array": (["x"], "x"),
    "object": ({"x": 1}, ["x"]),
}


def field(name: str = "x", data_type: str = "string", **options: Any) -> dict[str, Any]:
    return {"physicalName": name, "name": name, "dataType": data_type, "isShowedOnList": True, **options}


def problem(options: dict[str, Any], value: Any) -> str | None:
    found = RowSchema.given([field(**options)]).problems({"x": value}, code="c", name="n", seq=1)
    assert len(found) <= 1
    return found[0].message if found else None


def define(lab: MasterLab, *fields: dict[str, Any], code: str = "colour") -> None:
    lab.master.settings.upsert_setting(code, {"description": "", "fields": [*fields]}, invoke_context=ADMIN)


def problems_of(call: Any) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as error:
        call()
    return {problem.field: problem.message for problem in error.value.problems}


def test_every_type_is_here() -> None:
    assert sorted(VALUES) == [*TYPES]


@pytest.mark.parametrize("data_type", TYPES)
def test_each_type_takes_its_values(data_type: str) -> None:
    right, wrong = VALUES[data_type]
    options = {"data_type": data_type, "isRequired": data_type == "json"}
    assert problem(options, right) is None
    assert problem(options, wrong)
    for other, (value, _) in VALUES.items():
        assert isinstance(problem(options, value), str | None), other
    if data_type != "json":
        assert problem(options, None) is None


@pytest.mark.parametrize(
    ("options", "right", "wrong"),
    [
        ({"isRequired": True}, "x", ""),
        ({"isRequired": True}, "x", None),
        ({"length": "3"}, "abc", "abcd"),
        ({"max": "3"}, "abc", "abcd"),
        ({"min": "2"}, "ab", "a"),
        ({"maxRow": 2}, "a\nb", "a\nb\nc"),
        ({"dataFormat": "^[A-Z]{2}[0-9]+$"}, "AB1", "AB"),
        ({"dataFormat": "^a$"}, "a", "a\nb"),
        ({"data_type": "number", "min": "-1.5"}, -1.5, -2),
        ({"data_type": "number", "max": 10}, 10, Decimal("10.01")),
        ({"data_type": "number", "min": "9", "max": "10.5"}, 10, 11),
        ({"data_type": "number", "min": 5, "max": 5}, 5, 6),
        ({"data_type": "number", "length": "3"}, -12.5, 1234),
        ({"data_type": "number"}, 0, True),
        ({"data_type": "number"}, 0, float("nan")),
        ({"data_type": "number"}, 0, float("inf")),
        ({"data_type": "number", "isRequired": True}, 0, ""),
        ({"data_type": "integer"}, 3.0, 3.5),
        ({"data_type": "boolean", "isRequired": True}, False, None),
        ({"data_type": "date", "min": "2026-01-01"}, "2026-01-01", "2025-12-31"),
        ({"data_type": "date", "max": "2026-12-31"}, date(2026, 12, 31), "2027-01-01"),
        ({"data_type": "date"}, "2024-02-29", "2026-2-1"),
        ({"data_type": "date"}, "2024-02-29", "20240229"),
        (
            {"data_type": "datetime", "min": "2026-01-01T00:00:00Z"},
            "2026-01-01T09:00:00+09:00",
            "2026-01-01T08:59:59+09:00",
        ),
        (
            {"data_type": "datetime", "max": "2026-01-01T00:00:00Z"},
            datetime(2026, 1, 1, tzinfo=UTC),
            "2026-01-01T00:00:01",
        ),
        ({"data_type": "array", "maxRow": "2"}, [1, 2], [1, 2, 3]),
        ({"data_type": "array", "min": 1}, [1], []),
        ({"data_type": "array", "isRequired": True}, [], None),
    ],
)
def test_each_limit_has_two_sides(options: dict[str, Any], right: Any, wrong: Any) -> None:
    assert problem(options, right) is None
    assert problem(options, wrong)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"dataType": "text"}, "dataType"),
        ({"dataType": None}, "dataType"),
        ({"physicalName": " "}, "physicalName"),
        ({"physicalName": 5}, "physicalName"),
        ({"isRequired": "yes"}, "isRequired"),
        ({"length": "x"}, "length"),
        ({"length": 0}, "length"),
        ({"maxRow": 1.5}, "maxRow"),
        ({"min": "x"}, "min"),
        ({"max": "-1"}, "max"),
        ({"max": "1e999999999"}, "max"),
        ({"dataType": "date", "min": "yesterday"}, "min"),
        ({"dataFormat": "^(?=x)$"}, "dataFormat"),
        ({"dataFormat": 5}, "dataFormat"),
        ({"dataFormat": f"^{'a' * 500}$"}, "dataFormat"),
        ({"dataFormat": "^((a{999}){999}){999}$"}, "dataFormat"),
        ({"dataType": "number", "defaultValue": "x"}, "defaultValue"),
        ({"length": 2, "defaultValue": "long"}, "defaultValue"),
        ({"colour": "red"}, "colour"),
        ({"min": 3, "max": "2"}, "max"),
        ({"dataType": "number", "min": 0, "max": -0.5}, "max"),
        ({"dataType": "date", "min": "2026-02-01", "max": "2026-01-31"}, "max"),
        ({"dataType": "datetime", "min": "2026-01-01T00:00:00Z", "max": "2026-01-01T08:00:00+09:00"}, "max"),
    ],
)
def test_a_schema_that_makes_no_sense_is_refused(options: dict[str, Any], where: str) -> None:
    found = problems_of(lambda: RowSchema.given([field("a"), {**field(), **options}]))
    assert [*found] == [f"fields.1.{where}"]


def test_physical_names_are_there_once() -> None:
    found = problems_of(lambda: RowSchema.given([field("a"), field("b"), field("a", "number")]))
    assert [*found] == ["fields.2.physicalName"]
    assert "duplicated" in found["fields.2.physicalName"]
    for wrong in ("x", None, [5]):
        assert problems_of(lambda: RowSchema.given(wrong))  # noqa: B023


def test_a_number_beyond_what_python_writes_is_none() -> None:
    assert problem({"data_type": "number"}, 10**5000)


def test_a_pattern_takes_no_longer_than_its_text() -> None:
    assert problem({"dataFormat": "^(a+)+$"}, "a" * 100_000 + "b")


def test_rows_are_held_to_their_schema(lab: MasterLab) -> None:
    define(
        lab,
        field("code", length="3", isRequired=True),
        field("name", isRequired=True),
        field("seq", "auto_number", isRequired=True),
        field("hex", isRequired=True, dataFormat="^#[0-9a-f]{3}$"),
        field("order", "number", defaultValue="10", max=""),
        field("tags", "array", defaultValue='["new"]'),
    )
    data = lab.data
    made = data.create("colour", "red", "Red", attributes={"hex": "#f00"}, invoke_context=ADMIN)
    assert (made.attributes, made.seq) == ({"hex": "#f00", "order": 10, "tags": ["new"]}, 1)
    assert problems_of(
        lambda: data.create("colour", "green", "G", attributes={"hex": 5, "no": 1}, invoke_context=ADMIN)
    ).keys() == {"code", "attributes.hex", "attributes.no"}
    patch = {"attributes": {"hex": "red", "order": "1"}}
    found = problems_of(lambda: data.update("colour", "red", patch, invoke_context=ADMIN))
    assert found.keys() == {"attributes.hex", "attributes.order"}
    results = data.upsert_bulk(
        [
            {"settingCode": "colour", "code": "red", "name": "Red", "attributes": {"order": 1}},
            {"settingCode": "colour", "code": "tan", "name": "Tan", "attributes": {"hex": "#d2b"}},
        ],
        invoke_context=ADMIN,
    )
    assert [result.outcome for result in results] == ["failed", "created"]
    assert isinstance(results[0].error, InvalidInputError)
    assert [results[1].command and results[1].command.seq] == [2]
    assert {row["version"] for sk, row in lab.rows().items() if sk.startswith("colour#")} == {1}
    assert data.upsert("colour", "red", "Red", invoke_context=ADMIN).outcome == "unchanged"


@in_memory
@pytest.mark.parametrize("before", TYPES)
def test_a_schema_is_held_to_its_rows(lab: MasterLab, before: str) -> None:
    """Whatever type a field becomes, the rows that do not fit are told."""
    define(lab, field("x", before))
    value = VALUES[before][0]
    lab.data.create("colour", "red", "Red", attributes={"x": value}, invoke_context=ADMIN)
    lab.data.create("colour", "blue", "Blue", invoke_context=ADMIN)
    for after in TYPES:
        fields = [field("x", after)]
        fits = problem({"data_type": after}, value) is None
        refused = lab.data.check_schema("colour", fields, invoke_context=ADMIN)
        assert [row.code for row in refused] == ([] if fits else ["red"])
        if fits:
            lab.data.schemas.check_change("colour", {"fields": fields}, invoke_context=ADMIN)
            continue
        with pytest.raises(SchemaInUseError, match=r"red \(attributes.x: ") as error:
            lab.data.schemas.check_change("colour", {"fields": fields}, invoke_context=ADMIN)
        assert [row.code for row in error.value.rows] == ["red"]
        lab.data.schemas.check_change("colour", {"fields": fields}, force=True, invoke_context=ADMIN)
    required = [field("x", before), field("y", isRequired=True)]
    assert len(lab.data.check_schema("colour", required, invoke_context=ADMIN)) == 2
    filled = [field("x", before), field("y", isRequired=True, defaultValue="z")]
    assert lab.data.check_schema("colour", filled, invoke_context=ADMIN) == []
    assert len(lab.data.check_schema("colour", [field("y")], invoke_context=ADMIN)) == 1


@in_memory
def test_a_setting_is_changed_and_deleted_as_its_rows_allow(lab: MasterLab) -> None:
    settings = lab.master.settings
    define(lab, field("x"))
    lab.data.create("colour", "red", "Red", attributes={"x": "a"}, invoke_context=ADMIN)
    before = lab.rows()
    for call in (
        lambda: define(lab, field("x", "number")),
        lambda: settings.update_setting(
            "MASTER#acme#MASTER_SETTING#colour", value={"fields": [field("y")]}, invoke_context=ADMIN
        ),
        lambda: settings.delete_setting("colour", invoke_context=ADMIN),
    ):
        with pytest.raises(SchemaInUseError):
            call()
    assert problems_of(lambda: define(lab, field("x"), field("x"))).keys() == {"fields.1.physicalName"}
    assert lab.rows() == before
    define(lab, field("x"), field("y", "number"))
    settings.create_user_setting("colour", {"fields": [field("z")]}, user_id="ann", invoke_context=ADMIN)
    lab.data.delete("colour", "red", invoke_context=ADMIN)
    settings.delete_setting("colour", invoke_context=ADMIN)
    assert lab.data.create("colour", "any", "Any", attributes={"q": 1}, invoke_context=ADMIN).seq == 2


@in_memory
def test_a_schema_is_forced_on_rows_that_do_not_fit(lab: MasterLab) -> None:
    """They stay as they are until they are written; and a schema that makes no sense is refused still."""
    settings, key = lab.master.settings, ("MASTER#acme", "MASTER_SETTING#colour")
    lab.data.create("colour", "red", "Red", attributes={"x": "a"}, invoke_context=ADMIN)
    forced: Any = {"force": True, "invoke_context": ADMIN}
    number, date_ = ({"fields": [field("x", kind)]} for kind in ("number", "date"))
    with pytest.raises(SchemaInUseError):
        settings.create_tenant_setting("colour", number, invoke_context=ADMIN)
    assert settings.create_tenant_setting("colour", number, **forced).version == 1
    assert settings.upsert_setting("colour", date_, **forced).version == 2
    assert settings.update_setting(key, value=number, **forced).version == 3
    item = SettingItem(code="colour", value=date_)
    [refused] = settings.upsert_bulk([item], invoke_context=ADMIN)
    assert isinstance(refused, SchemaInUseError)
    [made] = settings.upsert_bulk([item], **forced)
    assert not isinstance(made, Exception)
    assert problems_of(
        lambda: settings.upsert_setting("colour", {"fields": [field("x", "none")]}, **forced)
    ).keys() == {"fields.0.dataType"}
    assert problems_of(
        lambda: lab.data.update("colour", "red", {"name": "Rot"}, invoke_context=ADMIN)
    ).keys() == {"attributes.x"}
    with pytest.raises(SchemaInUseError):
        settings.delete_setting("colour", invoke_context=ADMIN)
    settings.delete_setting("colour", **forced)
    assert [row.code for row in lab.data.iter_data("colour", invoke_context=ADMIN)] == ["red"]


@in_memory
def test_checks_are_for_those_who_may_read(lab: MasterLab) -> None:
    stranger = user("bob", "other", roles=["master_admin"])
    with pytest.raises(ForbiddenError):
        lab.data.check_schema("colour", [field("x")], tenant_code="acme", invoke_context=stranger)
    assert issubclass(SchemaInUseError, BadRequestError)


@in_memory
def test_ordinary_settings_are_no_schemas(lab: MasterLab) -> None:
    values: list[dict[str, Any]] = [{"fields": ["a", "b"]}, {"fields": 5}, {"fields": []}, {"rows": 5}]
    for value in values:
        lab.master.settings.upsert_setting("colour", value, invoke_context=ADMIN)
        lab.data.upsert("colour", "red", "Red", attributes={"q": 1}, invoke_context=ADMIN)


def test_a_schema_of_another_writer_never_makes_its_rows_unwritable() -> None:
    """One with a type that nobody knows, limits that are none, and a name twice."""
    fields = [
        field("x", "colour-picker"),
        field("y", length="many", min="", defaultValue="", uiComponent="string"),
        field("y", "number"),
        "nonsense",
        field("z", "number", isRequired=True, min=5, max=1),
    ]
    schema = RowSchema.stored({"fields": fields})
    assert schema is not None
    assert schema.problems({"x": [5], "y": "a", "z": 1}, code="c", name="n", seq=None) == []
    assert [found.field for found in schema.problems({"y": "a"}, code="c", name="n", seq=None)] == [
        "attributes.z"
    ]
