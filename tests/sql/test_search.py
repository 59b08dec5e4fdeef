from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from runtime import InvalidInputError, ItemList
from runtime.sql import ALL_TENANTS, search, upsert
from tests.sql.rows import BookRow, command

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    Find = Callable[..., ItemList[BookRow]]

BOOKS: list[tuple[str, str, str | None, int | None]] = [
    ("A", "The Red Book", "crime", 100),
    ("B", "The Green Book", "crime", 200),
    ("C", "50% off_all", None, 200),
    ("D", "Käse und Wein", "food", None),
    ("E", "a\\b/c", "food", 300),
]


@pytest.fixture
def find(engine: Engine) -> Find:
    with engine.begin() as connection:
        for day, (code, name, genre, pages) in reversed(list(enumerate(BOOKS, 1))):  # not in their order
            made = datetime(2026, 1, day, tzinfo=UTC)
            columns = {"genre": genre, "pages": pages, "price": None if pages is None else pages / 4}
            upsert(connection, BookRow, command(sk=code, name=name, created_at=made), **columns)
        upsert(connection, BookRow, command(sk="X", name="The Gone Book", is_deleted=True), genre="crime")
        upsert(connection, BookRow, command(sk="A", tenant="globex", name="Their Red Book"), genre="crime")

    def run(**options: Any) -> ItemList[BookRow]:
        with Session(engine) as session:
            return search(session, BookRow, **{"tenant_code": "acme"} | options)

    return run


def codes(found: ItemList[BookRow]) -> str:
    return "".join(book.code for book in found.items)


def problems(find: Find, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInputError) as caught:
        find(**options)
    return [(problem.field, problem.message) for problem in caught.value.problems]


def test_the_newest_come_first_and_deleted_ones_are_left_out(find: Find) -> None:
    found = find()
    assert (codes(found), found.total) == ("EDCBA", 5)
    assert found.items[0].name == "a\\b/c"  # readable without the session


def test_deleted_ones_are_found_on_demand(find: Find) -> None:
    found = find(include_deleted=True, order_bys=["code"])
    assert (codes(found), found.total) == ("ABCDEX", 6)


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [("globex", "A"), (["acme", "globex"], "AABCDE"), (ALL_TENANTS, "AABCDE"), ("ACME", ""), (["none"], "")],
)
def test_a_tenant_sees_its_own(find: Find, tenant: Any, expected: str) -> None:
    found = find(tenant_code=tenant, order_bys=["code"])
    assert (codes(found), found.total) == (expected, len(expected))


@pytest.mark.parametrize("tenant", [None, "", []])
def test_a_tenant_is_required(find: Find, tenant: Any) -> None:
    assert problems(find, tenant_code=tenant) == [
        ("tenantCode", "is required: give the tenant of the caller, or ALL_TENANTS")
    ]


def test_pages_follow_each_other(find: Find) -> None:
    pages = [find(page=page, page_size=2, order_bys=["code"]) for page in (1, 2, 3, 4)]
    assert [codes(page) for page in pages] == ["AB", "CD", "E", ""]
    assert {page.total for page in pages} == {5}


@pytest.mark.parametrize(
    ("order_bys", "expected"),
    [
        (["-code"], "EDCBA"),
        (["-createdAt"], "EDCBA"),
        (["created_at"], "ABCDE"),
        (["tenantCode"], "ABCDE"),  # all equal: by id
        (["-version"], "ABCDE"),
        ([], "ABCDE"),
        (["version", "-code"], "EDCBA"),
    ],
)
def test_the_order_is_stable(find: Find, order_bys: list[str], expected: str) -> None:
    assert codes(find(order_bys=order_bys)) == expected


def test_several_columns_sort(find: Find) -> None:
    assert codes(find(order_bys=["-pages", "-code"], filters={"code": list("ABCE")})) == "ECBA"
    assert codes(find(order_bys=["-pages", "code"], filters={"code": list("ABCE")})) == "EBCA"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"genre": "crime"}, "AB"),
        ({"genre": None}, "C"),
        ({"genre": ["food", None]}, "CDE"),
        ({"genre": []}, ""),
        ({"genre": "crime", "pages": 200}, "B"),
        ({"pages": {100, 300}}, "AE"),
        ({"price": 25}, "A"),
        ({"price": Decimal("50.0")}, "BC"),
        ({"createdAt": datetime(2026, 1, 4, tzinfo=UTC)}, "D"),
        ({"isDeleted": False, "version": 1}, "ABCDE"),
        ({"genre": "crime' OR '1'='1"}, ""),
    ],
)
def test_filters(find: Find, filters: dict[str, Any], expected: str) -> None:
    found = find(filters=filters, order_bys=["code"])
    assert (codes(found), found.total) == (expected, len(expected))


def test_conditions_of_ones_own(find: Find) -> None:
    assert codes(find(where=[BookRow.pages > 100, BookRow.genre.is_not(None)], order_bys=["code"])) == "BE"


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [
        ("red", "A"),
        ("BOOK the", "AB"),
        ("book\u3000green", "B"),
        ("book cheese", ""),
        ("%", "C"),
        ("_", "C"),
        ("\\", "E"),
        ("/", "E"),
        ("und wein", "D"),
        ("käse", "D"),
        ("'; drop table book; --", ""),
        ("  ", "ABCDE"),
        ("", "ABCDE"),
        (None, "ABCDE"),
    ],
)
def test_keywords(find: Find, keyword: str | None, expected: str) -> None:
    found = find(keyword=keyword, order_bys=["code"])
    assert (codes(found), found.total) == (expected, len(expected))


def test_each_word_may_be_in_another_column(find: Find) -> None:
    found = find(keyword="food wein", keyword_columns=["name", "genre"])
    assert codes(found) == "D"
    assert codes(find(keyword="food wein")) == ""
    assert codes(find(keyword="food", keyword_columns=[])) == ""


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"order_bys": ["size"]}, "orderBys"),
        ({"order_bys": ["-code", "name; drop table book"]}, "orderBys"),
        ({"order_bys": ["--code"]}, "orderBys"),
        ({"order_bys": ["extra"]}, "orderBys"),
        ({"order_bys": ["book_genre"]}, "orderBys"),
        ({"order_bys": ["metadata"]}, "orderBys"),
        ({"filters": {"size": 3}}, "size"),
        ({"filters": {"extra": {"a": 1}}}, "extra"),
        ({"keyword": "a", "keyword_columns": ["title"]}, "keywordColumns"),
    ],
)
def test_an_unknown_column_is_named_with_the_known_ones(
    find: Find, options: dict[str, Any], field: str
) -> None:
    ((name, message),) = problems(find, **options)
    assert name == field
    assert message.startswith("there is no column ")
    assert message.endswith(
        "known are code, cpk, createdAt, createdBy, createdIp, csk, genre, id, isDeleted, name, pages, pk, "
        "price, seq, sk, tenantCode, updatedAt, updatedBy, updatedIp, version"
    )


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"page": 0}, "page", "must be a whole number from 1 to 1000000, got 0"),
        ({"page": 10**20}, "page", f"must be a whole number from 1 to 1000000, got {10**20}"),
        ({"page": True}, "page", "must be a whole number from 1 to 1000000, got True"),
        ({"page_size": 0}, "pageSize", "must be a whole number from 1 to 100, got 0"),
        ({"page_size": 101}, "pageSize", "must be a whole number from 1 to 100, got 101"),
        ({"page_size": "20"}, "pageSize", "must be a whole number from 1 to 100, got '20'"),
        ({"order_bys": "code"}, "orderBys", "must be a list of at most 5 columns"),
        ({"order_bys": ["code"] * 6}, "orderBys", "must be a list of at most 5 columns"),
        ({"filters": {"pages": "many"}}, "pages", "must be of the type int, got str"),
        ({"filters": {"pages": True}}, "pages", "must be of the type int, got bool"),
        ({"filters": {"pages": [1, "2"]}}, "pages", "must be of the type int, got str"),
        ({"filters": {"pages": 2**63}}, "pages", f"must be at most {2**63 - 1}"),
        ({"filters": {"isDeleted": 1}}, "isDeleted", "must be of the type bool, got int"),
        ({"filters": {"createdAt": "2026-01-01"}}, "createdAt", "must be of the type datetime, got str"),
        ({"filters": {"genre": 3}}, "genre", "must be of the type str, got int"),
        ({"filters": {"genre": "a\0"}}, "genre", "must be valid Unicode text without the character NUL"),
        ({"keyword": "a\0"}, "keyword", "must be valid Unicode text without the character NUL"),
        ({"keyword": "\ud800"}, "keyword", "must be valid Unicode text without the character NUL"),
        ({"keyword": "x" * 1001}, "keyword", "must be at most 1000 characters, got 1001"),
        ({"keyword": "x " * 11}, "keyword", "must be at most 10 words, got 11"),
        (
            {"keyword": "a", "keyword_columns": ["pages"]},
            "keywordColumns",
            "must be columns of text, got pages",
        ),
    ],
)
def test_what_is_out_of_range_is_named(find: Find, options: Any, field: str, message: str) -> None:
    assert problems(find, **options) == [(field, message)]


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_sent(engine: Engine, find: Find) -> None:
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    found = problems(find, page=0, page_size=500, order_bys=["a", "b"], filters={"c": 1})
    assert [field for field, _ in found] == ["page", "pageSize", "orderBys", "orderBys", "c"]
    assert sent == []
    find(keyword="red")
    assert len(sent) == 2
    assert "red" not in " ".join(sent)
