"""Rows of code tables: written one by one, changed, and read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import (
    BadRequestError,
    ForbiddenError,
    InvalidInputError,
    ItemNotFoundError,
    RowExistsError,
    TooManyRowsError,
)
from runtime.features.masters import rows_of_table
from runtime.features.masters.keys import RESERVED_CODES
from runtime.store.codec import row_of
from runtime.store.port import Put
from tests.features.masters.lab import PK, MasterLab
from tests.features.masters.support import ADMIN, ROOT, user

if TYPE_CHECKING:
    from collections.abc import Callable

in_memory = pytest.mark.parametrize("make_lab", ["memory"], indirect=True)

ANN = user()
BOB = user("bob", "other", roles=["master_admin"])


def create(lab: MasterLab, code: str | None, **options: Any) -> Any:
    return lab.data.create("colour", code, f"The {code}", **{"invoke_context": ADMIN, **options})


def test_a_row_lives_and_dies(lab: MasterLab) -> None:
    made = create(lab, "red", attributes={"hex": "#f00", "in": {"de": "rot", "fr": "rouge"}})
    assert (made.version, made.seq, made.code, made.type, made.tenant_code) == (1, 1, "red", "MASTER", "acme")
    assert made.id == "MASTER#acme#colour#red"
    with pytest.raises(RowExistsError):
        create(lab, "red")
    lab.data.update("colour", "red", {"attributes": {"in": {"de": "Rot"}}}, invoke_context=ADMIN)
    row = lab.data.get_detail("colour", "red", invoke_context=ANN)
    assert row.attributes == {"hex": "#f00", "in": {"de": "Rot", "fr": "rouge"}}
    assert (row.name, row.seq, row.version) == ("The red", 1, 2)
    assert lab.data.check_exist_code("colour", "red", invoke_context=ANN)
    assert lab.data.delete("colour", "red", invoke_context=ADMIN).is_deleted
    assert lab.data.get("colour", "red", invoke_context=ANN) is None
    assert not lab.data.check_exist_code("colour", "red", invoke_context=ANN)
    for gone in (
        lambda: lab.data.get_detail("colour", "red", invoke_context=ANN),
        lambda: lab.data.delete("colour", "red", invoke_context=ADMIN),
        lambda: lab.data.update("colour", "red", {"name": "x"}, invoke_context=ADMIN),
        lambda: lab.data.update("colour", "never", {"name": "x"}, invoke_context=ADMIN),
    ):
        with pytest.raises(ItemNotFoundError):
            gone()
    again = create(lab, "red")
    assert (again.version, again.seq, again.attributes) == (4, 2, None)


@in_memory
def test_an_upsert_that_says_nothing_new_writes_no_version(lab: MasterLab) -> None:
    said: dict[str, Any] = {"attributes": {"hex": "#f00"}, "invoke_context": ADMIN}
    assert lab.data.upsert("colour", "red", "Red", **said).outcome == "created"
    again = lab.data.upsert("colour", "red", "Red", **said)
    assert (again.outcome, again.command) == ("unchanged", None)
    assert again.stored is not None
    assert (again.stored.version, again.stored.seq, again.stored.attributes) == (1, 1, {"hex": "#f00"})
    assert lab.data.upsert("colour", "red", "Red", invoke_context=ADMIN).outcome == "unchanged"
    assert lab.data.upsert("colour", "red", "Rose", **said).outcome == "updated"
    assert [*lab.rows("command")] == ["colour#red@1", "colour#red@2"]
    assert lab.rows()["colour#red"]["seq"] == 1
    assert lab.data.upsert("colour", "red", "Rose", seq=7, invoke_context=ADMIN).outcome == "updated"
    assert create(lab, "blue").seq == 8
    with pytest.raises(InvalidInputError):
        lab.data.upsert("colour", "red", "", invoke_context=ADMIN)


FIELDS: dict[str, Any] = {
    "name": st.sampled_from(["a", "b"]),
    "seq": st.integers(0, 5),
    "attributes": st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), max_size=3),
}


@settings(max_examples=30, deadline=None)
@given(patches=st.lists(st.fixed_dictionaries({}, optional=FIELDS), max_size=4))
def test_what_a_patch_does_not_name_stays(patches: list[dict[str, Any]]) -> None:
    lab = MasterLab()
    create(lab, "red", attributes={"x": 9, "w": [1]})
    expected: dict[str, Any] = {"name": "The red", "seq": 1, "attributes": {"x": 9, "w": [1]}}
    versions = 1
    for patch in patches:
        after = {**expected, **patch}
        after["attributes"] = {**expected["attributes"], **patch.get("attributes", {})}
        versions += after != expected
        expected = after
        lab.data.update("colour", "red", patch, invoke_context=ADMIN)
        row = lab.rows()["colour#red"]
        assert {name: row[name] for name in expected} == expected
        assert row["version"] == versions


@in_memory
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "blue"}, "code"),
        ({"tenantCode": "x"}, "tenantCode"),
        ({"isDeleted": True}, "isDeleted"),
        ({"version": 3}, "version"),
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"seq": None}, "seq"),
        ({"seq": True}, "seq"),
        ({"seq": "1"}, "seq"),
        ({"attributes": None}, "attributes"),
    ],
)
def test_a_patch_names_what_it_may(lab: MasterLab, changes: dict[str, Any], field: str) -> None:
    create(lab, "red")
    before = lab.rows()
    with pytest.raises(InvalidInputError) as error:
        lab.data.update("colour", "red", changes, invoke_context=ADMIN)
    assert [problem.field for problem in error.value.problems] == [field]
    assert lab.rows() == before


@in_memory
@pytest.mark.parametrize("code", [*sorted(RESERVED_CODES), "", "a#b", "a@1", " a", "a\n", 5])
def test_codes_that_are_no_codes_are_refused(lab: MasterLab, code: Any) -> None:
    data = lab.data
    for call in (
        lambda: data.create(code, "x", "X", invoke_context=ADMIN),
        lambda: data.upsert(code, "x", "X", invoke_context=ADMIN),
        lambda: data.update(code, "x", {"name": "X"}, invoke_context=ADMIN),
        lambda: data.delete(code, "x", invoke_context=ADMIN),
        lambda: data.get(code, "x", invoke_context=ADMIN),
        lambda: data.rows(code, invoke_context=ADMIN),
    ):
        with pytest.raises(InvalidInputError):
            call()
    [result] = data.upsert_bulk([{"settingCode": code, "code": "x", "name": "X"}], invoke_context=ADMIN)
    assert isinstance(result.error, InvalidInputError)
    if code not in RESERVED_CODES:
        with pytest.raises(InvalidInputError):
            create(lab, code)
    assert lab.rows() == lab.rows("command") == {}


@in_memory
def test_who_may_what(lab: MasterLab) -> None:
    create(lab, "red")
    data = lab.data
    for stranger in (ANN, BOB):
        for call in (
            lambda: create(lab, "blue", tenant_code="acme", invoke_context=stranger),  # noqa: B023
            lambda: data.update("colour", "red", {"name": "x"}, tenant_code="acme", invoke_context=stranger),  # noqa: B023
            lambda: data.delete("colour", "red", tenant_code="acme", invoke_context=stranger),  # noqa: B023
            lambda: data.upsert_bulk(
                [{"settingCode": "colour", "code": "x", "name": "X", "tenantCode": "acme"}],
                invoke_context=stranger,  # noqa: B023
            )[0],
            lambda: data.formats.upsert("t", {"format": "%%no%%"}, invoke_context=stranger),  # noqa: B023
        ):
            try:
                result: Any = call()
            except ForbiddenError:
                continue
            assert isinstance(result.error, ForbiddenError)
    with pytest.raises(ForbiddenError):
        data.get("colour", "red", tenant_code="acme", invoke_context=BOB)
    with pytest.raises(ForbiddenError):
        data.rows("colour", tenant_code="acme", invoke_context=BOB)
    with pytest.raises(ForbiddenError):
        create(lab, "blue", tenant_code="common")
    with pytest.raises(ForbiddenError):
        data.formats.upsert("ticket", {"format": "T%%no%%"}, invoke_context=ADMIN)
    create(lab, "blue", tenant_code="common", invoke_context=ROOT)
    assert data.get_detail("colour", "blue", tenant_code="common", invoke_context=ANN).tenant_code == "common"


@in_memory
def test_formats_of_numbers_have_a_way_of_their_own(lab: MasterLab) -> None:
    formats = lab.data.formats
    said = {"format": "INV-%%no#:0>6%%", "startMonth": 4}
    made = formats.upsert("invoice", said, tenant_code="acme", invoke_context=ROOT)
    assert (made.outcome, made.key) == ("created", (PK, "MASTER_DATA#invoice"))
    assert formats.upsert("invoice", said, tenant_code="acme", invoke_context=ROOT).outcome == "unchanged"
    found = formats.get("invoice", invoke_context=ANN)
    assert found is not None
    assert found.attributes == said
    for wrong, field in (
        ({}, "attributes.format"),
        ({**said, "startMonth": 13}, "attributes.startMonth"),
        ({**said, "registerDate": 5}, "attributes.registerDate"),
        ({**said, "month": 5}, "attributes.month"),
        ({"format": "INV-%%nope%%"}, "attributes"),
        ({"format": "INV-%%no"}, "attributes"),
        ({"format": "INV-%%no#:0>65%%"}, "attributes"),
        ({**said, "rotateBy": "hourly"}, "attributes"),
        ({**said, "timezone": "Mars/Olympus"}, "attributes"),
        ([said], "attributes"),
        (None, "attributes"),
    ):
        with pytest.raises(InvalidInputError) as error:
            formats.upsert("invoice", wrong, tenant_code="acme", invoke_context=ROOT)  # type: ignore[arg-type]
        assert [problem.field for problem in error.value.problems] == [field]
    rotating = {"format": "%%year%%-%%no%%", "rotateBy": "yearly", "timezone": "Asia/Tokyo"}
    named = formats.upsert("ticket", rotating, name="Ticket", tenant_code="acme", invoke_context=ROOT)
    assert named.outcome == "created"
    assert formats.upsert("ticket", rotating, tenant_code="acme", invoke_context=ROOT).outcome == "unchanged"
    with pytest.raises(InvalidInputError, match="name"):
        formats.upsert("ticket", rotating, name="", tenant_code="acme", invoke_context=ROOT)
    formats.delete("invoice", tenant_code="acme", invoke_context=ROOT)
    assert formats.get("invoice", invoke_context=ANN) is None


@in_memory
def test_1200_rows_are_listed_in_their_order(lab: MasterLab, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [f"c{number:04}" for number in range(1200)]
    for start in range(0, 1200, 100):
        lab.upsert(
            *(
                {"settingCode": "colour", "code": code, "name": f"Name {code}", "seq": 1200 - start // 100}
                for code in codes[start : start + 100]
            )
        )
    create(lab, "x", seq=-1)
    lab.data.create("colours", "other", "Another table", invoke_context=ADMIN)
    lab.data.delete("colour", "c0007", invoke_context=ADMIN)
    rows = lab.data.rows("colour", invoke_context=ANN)
    expected = ["x", *sorted(codes, key=lambda code: (-(int(code[1:]) // 100), code))]
    expected.remove("c0007")
    assert rows.codes == expected == [row.code for row in rows]
    assert rows.total == 1200
    assert [row.code for row in rows.page(1195, 10)] == expected[1195:]
    assert lab.data.rows("colour", include_deleted=True, invoke_context=ANN).total == 1201
    assert lab.data.rows("colour", name="NAME C00", invoke_context=ANN).total == 99
    assert [row.code for row in lab.data.iter_data("colour", code="C119", invoke_context=ANN)] == codes[1190:]
    monkeypatch.setattr(rows_of_table, "MAX_ROWS", 1200)
    with pytest.raises(TooManyRowsError, match="more than 1200 rows"):
        lab.data.rows("colour", invoke_context=ANN)


@in_memory
def test_10000_rows_are_listed_and_one_more_is_too_many(lab: MasterLab) -> None:
    """Whoever deleted one: it is read as well. Rows of such a table are still made, changed and deleted."""
    table = lab.master.module.tables.data
    for number in range(10_000):
        row = {"pk": PK, "sk": f"colour#c{number:05}", "id": "x", "code": f"c{number:05}", "name": "x"}
        lab.store.write(Put(table=table, row=row_of({**row, "version": 1, "type": "MASTER", "seq": number})))
    assert lab.data.rows("colour", invoke_context=ANN).total == 10_000
    assert create(lab, "one").seq == 10_000
    with pytest.raises(TooManyRowsError, match="colour has more than 10000 rows"):
        lab.data.rows("colour", invoke_context=ANN)
    lab.data.delete("colour", "one", invoke_context=ADMIN)
    with pytest.raises(TooManyRowsError):
        lab.data.rows("colour", include_deleted=False, invoke_context=ANN)
    assert lab.data.upsert("colour", "c00001", "New", invoke_context=ADMIN).outcome == "updated"


def test_50_creations_at_once_have_50_numbers(lab: MasterLab) -> None:
    def one(number: int) -> int:
        return create(lab, f"c{number}").seq  # type: ignore[no-any-return]

    with ThreadPoolExecutor(8) as pool:
        numbers = [*pool.map(one, range(50))]
    assert sorted(numbers) == [*range(1, 51)]
    assert lab.rows()["SEQ#colour"]["seq"] == 50


def test_a_creation_takes_two_calls(make_lab: Callable[[], MasterLab]) -> None:
    lab = make_lab()
    create(lab, "red")
    for call in (
        lambda: create(lab, "blue"),
        lambda: lab.data.update("colour", "red", {"name": "x"}, invoke_context=ADMIN),
        lambda: lab.data.delete("colour", "red", invoke_context=ADMIN),
    ):
        lab.steps.clear()
        call()
        assert lab.steps.names() == ["store:batch_get", "store:write"]


@in_memory
def test_numbers_go_on_behind_rows_of_others(lab: MasterLab) -> None:
    lab.data.create("colour", "red", "Red", seq=41, invoke_context=ADMIN)
    assert "SEQ#colour" not in lab.rows()
    assert create(lab, "blue").seq == 42
    assert create(lab, "pink", seq=50).seq == 50
    assert create(lab, None).seq == 51


@in_memory
def test_a_repeated_creation_is_the_same_one(lab: MasterLab) -> None:
    first = create(lab, None, publish_id="p")
    again = create(lab, None, publish_id="p")
    assert (again.sk, again.seq, again.version) == (first.sk, 1, 1)
    assert lab.rows()["SEQ#colour"]["seq"] == 1


def test_the_error_of_a_row_that_is_there_is_a_conflict() -> None:
    assert issubclass(RowExistsError, BadRequestError)
    assert RowExistsError.status == 409
