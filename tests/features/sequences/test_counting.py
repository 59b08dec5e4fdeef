"""Numbers are counted without duplicates, in the rows of the reference."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    ConfigurationError,
    ContentionError,
    CorruptRowError,
    ForbiddenError,
    InvalidInputError,
    PublishIdReusedError,
    RotateBy,
    SequenceExhaustedError,
    SequenceModule,
    Series,
    StoreRefusedError,
    StoreUnavailableError,
)
from runtime.store.port import Set
from runtime.store.values import Place
from tests.support.service import in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.features.sequences.lab import MakeLab
    from tests.support.wire import Call

TICKET = Series("ticket", format="T%%no#:0>4%%")
BRANCH = Series("branch", format="%%code1%%-%%code2%%-%%no%%", codes=2)
YEARLY = Series("yearly", format="%%year%%-%%no%%", rotate_by=RotateBy.YEARLY, timezone="Asia/Tokyo")
LOGGED = Series("logged", issue_log=True)
GAPLESS = Series("invoice", format="I%%no%%", gapless=True)
AT = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)


def test_numbers_begin_with_one_and_follow_on_each_other(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    first, second = lab.next("ticket"), lab.next("ticket")
    assert (first.no, first.formatted_no, second.no) == (1, "T0001", 2)
    assert (first.id, first.bucket) == ("SEQ#acme#ticket#none", "none")
    row = lab.rows()["ticket#none"]
    created = row.pop("createdAt")
    assert row.pop("updatedAt") >= created
    assert row == {
        "pk": "SEQ#acme",
        "sk": "ticket#none",
        "code": "ticket#none",
        "name": "none",
        "tenantCode": "acme",
        "type": "ticket",
        "seq": 2,
        "requestId": "req-1",
        "createdBy": "u1",
        "createdIp": "192.0.2.1",
        "updatedBy": "u1",
        "updatedIp": "192.0.2.1",
    }


def test_nobody_in_particular_counts_as_the_system(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    lab.sequences.generate_sequence_item("ticket", tenant_code="acme")
    row = lab.rows()["ticket#none"]
    assert (row["createdBy"], row["createdIp"], "requestId" in row) == ("system", "unknown", False)
    with pytest.raises(InvalidInputError, match="tenant_code: is required"):
        lab.sequences.generate_sequence_item("ticket")


def test_each_period_and_each_code_has_a_counter_of_its_own(make_lab: MakeLab) -> None:
    lab = make_lab(YEARLY, BRANCH)
    eve = datetime(2025, 12, 31, 14, 59, 59, tzinfo=UTC)
    printed = [lab.next("yearly", date=eve + timedelta(seconds=step)).formatted_no for step in (0, 1, 0)]
    assert printed == ["2025-1", "2026-1", "2025-2"]
    assert lab.next("branch", codes=["A", "X"]).formatted_no == "A-X-1"
    assert lab.next("branch", codes=["A", "Y"], prefix="<", postfix=">").formatted_no == "<A-Y-1>"
    assert {sk: row["seq"] for sk, row in lab.rows().items()} == {
        "yearly#2025": 2,
        "yearly#2026": 1,
        "branch#A#X#none": 1,
        "branch#A#Y#none": 1,
    }
    assert [
        (one.codes, one.bucket, one.no) for one in lab.sequences.iter_sequences("yearly", tenant_code="acme")
    ] == [
        ((), "2025", 2),
        ((), "2026", 1),
    ]


@on_dynamodb
def test_what_it_costs(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET, LOGGED, GAPLESS)
    wire = lab.service.wire
    for act, calls in (
        (lambda: lab.next("ticket"), ["UpdateItem"]),
        (lambda: lab.next("ticket", idempotency_key="k"), ["BatchGetItem", "TransactWriteItems"]),
        (lambda: lab.next("ticket", idempotency_key="k"), ["BatchGetItem"]),
        (lambda: lab.next("logged"), ["BatchGetItem", "TransactWriteItems"]),
        (lambda: lab.sequences.generate_sequence_range("ticket", 500, tenant_code="acme"), ["UpdateItem"]),
        (lambda: lab.sequences.preview("ticket", tenant_code="acme"), ["GetItem"]),
        (lambda: lab.sequences.get_current_sequence("ticket", tenant_code="acme"), ["GetItem"]),
        (lambda: lab.publish("invoice"), ["BatchGetItem", "TransactWriteItems"]),
        (lambda: lab.publish("invoice", publish_id="p"), ["BatchGetItem", "TransactWriteItems"]),
        (lambda: lab.publish("invoice", sync=True), ["BatchGetItem", "TransactWriteItems"]),
        (lambda: lab.sequences.void("invoice", 1, reason="r", tenant_code="acme"), ["UpdateItem"]),
        (lambda: lab.sequences.gaps("invoice", tenant_code="acme"), ["GetItem", "Query"]),
        (lambda: lab.sequences.set_sequence("ticket", 900, tenant_code="acme"), ["GetItem", "UpdateItem"]),
        (
            lambda: lab.sequences.set_sequence("invoice", 900, tenant_code="acme"),
            ["GetItem", "TransactWriteItems"],
        ),
        (
            lambda: lab.sequences.void("invoice", 700, reason="r", tenant_code="acme"),
            ["UpdateItem", "GetItem", "PutItem"],
        ),
        (lambda: lab.sequences.show_sequence("ticket", tenant_code="acme"), ["GetItem"]),
        (lambda: lab.sequences.list_sequences(tenant_code="acme"), ["Query"]),
    ):
        wire.clear()
        act()
        assert wire.names() == [f"dynamodb:{name}" for name in calls]


@pytest.mark.parametrize("keyed", [False, True])
def test_many_at_once_get_each_number_once(make_lab: MakeLab, keyed: bool) -> None:  # noqa: FBT001
    lab = make_lab(TICKET)
    calls = 20 if keyed else 100

    def take(call: int) -> int:
        while True:
            try:
                return int(lab.next("ticket", idempotency_key=f"k{call}" if keyed else None).no)
            except ContentionError:
                continue

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(take, range(calls))) == [*range(1, calls + 1)]


def test_a_key_gives_one_number(make_lab: MakeLab) -> None:
    lab = make_lab(YEARLY)
    first = lab.next("yearly", date=AT, idempotency_key="mail-1")
    assert lab.next("yearly", date=AT, idempotency_key="mail-1") == first
    assert lab.next("yearly", date=AT, idempotency_key="mail-2").no == 2
    assert first.issued_at == AT.replace(microsecond=891000)
    with pytest.raises(PublishIdReusedError):
        lab.next("yearly", date=AT, idempotency_key="mail-1", prefix="A")
    with pytest.raises(PublishIdReusedError):
        lab.next("yearly", date=AT, idempotency_key="mail-1", invoke_context=lab.service.user("u2"))
    assert lab.rows()["yearly#2026"]["seq"] == 2
    (key, _) = lab.rows("SEQ_KEY#").values()
    assert key["ttl"] > datetime.now(UTC).timestamp()


def test_a_moment_is_the_same_one_in_every_zone(make_lab: MakeLab) -> None:
    lab = make_lab(YEARLY)
    first = lab.next("yearly", date=AT, idempotency_key="mail-1")
    elsewhere = AT.astimezone(timezone(timedelta(hours=-9)))
    assert lab.next("yearly", date=elsewhere, idempotency_key="mail-1") == first
    with pytest.raises(PublishIdReusedError):
        lab.next("yearly", date=AT + timedelta(hours=1), idempotency_key="mail-1")


@in_memory
def test_a_key_is_free_in_the_second_after_it(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """At no moment does a record count as gone for the read, and as there for the write."""
    lab = make_lab(TICKET)
    monkeypatch.setattr("runtime.clock._source", lambda: 1_000_000.0)
    lab.next("ticket", idempotency_key="k")
    monkeypatch.setattr("runtime.clock._source", lambda: 1_086_400.5)
    assert lab.next("ticket", idempotency_key="k").no == 1
    monkeypatch.setattr("runtime.clock._source", lambda: 1_086_401.0)
    assert lab.next("ticket", idempotency_key="k").no == 2


@in_memory
def test_a_key_is_the_same_one_in_the_next_period(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(YEARLY)
    eve = datetime(2025, 12, 31, 14, 59, 59, tzinfo=UTC).timestamp()
    monkeypatch.setattr("runtime.clock._source", lambda: eve)
    first = lab.next("yearly", idempotency_key="k")
    monkeypatch.setattr("runtime.clock._source", lambda: eve + 5)
    assert lab.next("yearly", idempotency_key="k") == first
    assert lab.next("yearly").bucket == "2026"
    monkeypatch.setattr("runtime.clock._source", lambda: eve + 2 * 86400)
    assert lab.next("yearly", idempotency_key="k").no == 2


@in_memory
def test_a_key_at_the_same_time_is_one(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    other = lab.again()
    turns: Iterator[int] = iter([1])

    def before(call: Call) -> None:
        if call.operation == "write" and next(turns, None):
            other.next("ticket", idempotency_key="k")

    lab.service.steps.before = before
    assert lab.next("ticket", idempotency_key="k").no == 1
    assert lab.rows()["ticket#none"]["seq"] == 1


@in_memory
def test_whoever_never_comes_to_it_says_so(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    other = lab.again()
    lab.service.steps.before = lambda call: other.next("ticket") if call.operation == "write" else None
    with pytest.raises(ContentionError):
        lab.next("ticket", idempotency_key="k")
    assert lab.rows("SEQ_KEY#") == {}


def test_a_range_is_taken_at_once(make_lab: MakeLab) -> None:
    lab = make_lab(replace_of(TICKET, maximum=20), LOGGED)
    take = lab.sequences.generate_sequence_range
    taken = take("ticket", 10, tenant_code="acme")
    assert (taken.first, taken.last, len(taken)) == (1, 10, 10)
    assert [item.formatted_no for item in taken][-1] == "T0010"
    assert take("ticket", 10, tenant_code="acme").first == 11
    with pytest.raises(SequenceExhaustedError):
        take("ticket", 1, tenant_code="acme")
    with pytest.raises(InvalidInputError, match="one by one"):
        take("logged", 2, tenant_code="acme")
    for count in (0, True, 100_001, "2"):
        with pytest.raises(InvalidInputError, match="count"):
            take("ticket", count, tenant_code="acme")  # type: ignore[arg-type]
    assert lab.rows()["ticket#none"]["seq"] == 20


def replace_of(series: Series, **options: Any) -> Series:
    return Series(series.type_code, format=series.format.text, **options)


def test_a_series_ends_at_its_maximum(make_lab: MakeLab) -> None:
    lab = make_lab(replace_of(TICKET, first=9, maximum=10))
    assert lab.next("ticket").no == 9
    assert lab.next("ticket", idempotency_key="k").no == 10
    for options in ({}, {"idempotency_key": "l"}):
        with pytest.raises(SequenceExhaustedError, match="maximum, 10") as caught:
            lab.next("ticket", **options)
    assert (caught.value.status, caught.value.code) == (409, "sequence-exhausted")
    assert lab.next("ticket", idempotency_key="k").no == 10  # it has its number
    with pytest.raises(SequenceExhaustedError):
        lab.sequences.preview("ticket", tenant_code="acme")
    with pytest.raises(SequenceExhaustedError):
        make_lab(replace_of(TICKET, first=9, maximum=10)).sequences.generate_sequence_range(
            "ticket", 3, tenant_code="other"
        )
    assert set(lab.rows()) == {"ticket#none"}


def test_a_preview_counts_nothing(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    see = lab.sequences
    assert see.get_current_sequence("ticket", tenant_code="acme") is None
    assert see.show_sequence("ticket", tenant_code="acme") is None
    assert see.preview("ticket", tenant_code="acme").formatted_no == "T0001"
    lab.next("ticket")
    assert see.preview("ticket", tenant_code="acme").no == 2
    current = see.get_current_sequence("ticket", tenant_code="acme")
    assert current is not None
    assert current.formatted_no == "T0001"
    assert lab.rows()["ticket#none"]["seq"] == 1


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no such series": (
        {"type_code": "nothing"},
        "type_code: must be a series.*there are branch, invoice, ticket",
    ),
    "a type that is two": ({"type_code": "a#b"}, "type_code"),
    "too few codes": ({"type_code": "branch", "codes": ["A"]}, "codes: must be a list of 2"),
    "an empty code": ({"type_code": "branch", "codes": ["A", ""]}, "codes.1"),
    "a code that is two": ({"type_code": "branch", "codes": ["A#B", "C"]}, "codes.0"),
    "a code like a version": ({"type_code": "branch", "codes": ["A", "b@x"]}, "codes.1"),
    "a control character": ({"type_code": "branch", "codes": ["A", "b\n"]}, "codes.1"),
    "a long code": ({"type_code": "branch", "codes": ["A", "b" * 65]}, "codes.1"),
    "codes that are one text": ({"type_code": "branch", "codes": "AB"}, "codes"),
    "a naive date": ({"date": datetime(2026, 1, 1)}, "date: must be a datetime with a time zone"),  # noqa: DTZ001
    "an ancient date": ({"date": datetime(1, 1, 1, tzinfo=UTC)}, "date: must be in a year"),
    "a date that is text": ({"date": "2026-01-01"}, "date"),
    "codes that are none": ({"type_code": "branch", "codes": None}, "codes"),
    "codes that are a number": ({"type_code": "branch", "codes": 2}, "codes"),
    "a key that is a number": ({"idempotency_key": 4711}, "idempotency_key: must be text, got int"),
    "an empty key": ({"idempotency_key": ""}, "idempotency_key"),
    "a long key": ({"idempotency_key": "k" * 256}, "idempotency_key"),
    "a prefix of lines": ({"prefix": "a\n"}, "prefix"),
    "a tenant that is two": ({"tenant_code": "a#acme"}, "tenant_code"),
    "a gapless series": ({"type_code": "invoice"}, "is gapless.*use publish_numbered"),
}


@pytest.mark.parametrize("name", BAD)
def test_nothing_is_counted_for_bad_input(make_lab: MakeLab, name: str) -> None:
    lab = make_lab(TICKET, BRANCH, GAPLESS)
    options, told = BAD[name]
    with pytest.raises(InvalidInputError, match=told):
        lab.next(**{"type_code": "ticket"} | options)
    assert lab.rows("") == {}


def test_a_tenant_counts_for_itself(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    ann = lab.service.user()
    for tenant in ("other", "common"):
        with pytest.raises(ForbiddenError):
            lab.next("ticket", tenant_code=tenant)
        for ask in (lab.sequences.preview, lab.sequences.get_current_sequence, lab.sequences.show_sequence):
            with pytest.raises(ForbiddenError):
                ask("ticket", tenant_code=tenant, invoke_context=ann)
        with pytest.raises(ForbiddenError):
            lab.sequences.list_sequences(tenant_code=tenant, invoke_context=ann)
    assert lab.next("ticket", tenant_code="ACME").id == "SEQ#acme#ticket#none"
    root = lab.service.user(roles='[{"tenant": "", "role": "system_admin"}]')
    assert lab.next("ticket", tenant_code="other", invoke_context=root).no == 1
    assert set(lab.rows("SEQ#acme")) == {"ticket#none"}
    with pytest.raises(ForbiddenError, match="names no tenant"):
        lab.next("ticket", invoke_context=replace(ann, claims={"sub": "ann"}))


@in_memory
def test_a_lost_answer_is_found_by_its_key(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)

    def after(call: Call) -> None:
        if call.operation == "write":
            raise StoreUnavailableError("dynamodb", "test")  # noqa: EM101

    lab.service.steps.after = after
    with pytest.raises(StoreUnavailableError):
        lab.next("ticket", idempotency_key="k")
    assert lab.again().next("ticket", idempotency_key="k").no == 1
    assert lab.rows()["ticket#none"]["seq"] == 1


# Settings that are given, and those of master data


def provided(lab: Any, settings: Any, **options: Any) -> Any:
    return lab.sequences.generate_sequence_item_with_provide_setting(
        settings, **{"invoke_context": lab.service.user()} | options
    )


def test_settings_may_be_provided(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    assert provided(lab, Series("own", format="O%%no%%")).formatted_no == "O1"
    settings = {"typeCode": "own", "format": "P%%code1%%%%no%%-%%fiscal_year%%", "rotateBy": "fiscal_yearly",
                "startMonth": 7}  # fmt: skip
    item = provided(lab, settings, codes=["A"], date=AT, prefix="<")
    assert (item.formatted_no, item.bucket) == ("<PA1-73", "FY2025")
    dated = {**settings, "registerDate": "2020-05-10T00:00:00Z"}
    assert provided(lab, dated, codes=["A"], date=AT).formatted_no == "PA2-6"


@in_memory
@pytest.mark.parametrize(
    ("registered", "printed"),
    [
        ("2020-03-31T15:00:00.000Z", "7-1"),
        ("2020-03-31T14:59:59Z", "8-1"),
        ("2020-04-01T00:00:00+09:00", "7-1"),
        ("2020-04-01", "7-1"),
        ("2020-04-01T00:00:00", "7-1"),
        (datetime(2020, 3, 31, 15, tzinfo=UTC), "7-1"),
        (date(2020, 4, 1), "7-1"),
    ],
)
def test_a_moment_of_registration_is_a_day_in_the_zone_of_the_series(
    make_lab: MakeLab, registered: Any, printed: str
) -> None:
    """JavaScript writes 1 April in Tokyo as a moment of 31 March."""
    lab = make_lab(TICKET)
    settings = {"typeCode": "own", "format": "%%fiscal_year%%-%%no%%", "rotateBy": "fiscal_yearly",
                "timezone": "Asia/Tokyo", "registerDate": registered}  # fmt: skip
    eve = datetime(2027, 3, 31, 1, tzinfo=UTC)
    assert provided(lab, settings, date=eve).formatted_no == printed


def test_a_setting_that_is_null_is_left_out(make_lab: MakeLab) -> None:
    lab = make_lab(Series("ticket", rotate_by=RotateBy.YEARLY, timezone="Asia/Tokyo"), master=True)
    left_out = dict.fromkeys(("rotateBy", "timezone", "startMonth", "registerDate"))
    settings_row(lab, {"format": "N%%no%%", **left_out})
    item = lab.next("ticket", date=datetime(2025, 12, 31, 15, tzinfo=UTC))
    assert (item.formatted_no, item.bucket) == ("N1", "2026")
    assert provided(lab, {"typeCode": "own", "format": "%%no%%", **left_out}).bucket == "none"


@in_memory
@pytest.mark.parametrize("settings", [None, "own", [], ["typeCode"]])
def test_what_is_no_settings_is_refused(make_lab: MakeLab, settings: Any) -> None:
    lab = make_lab(TICKET)
    with pytest.raises(InvalidInputError, match="series: must be a Series or settings"):
        provided(lab, settings)
    assert lab.rows("") == {}


BAD_SETTINGS: dict[str, tuple[Any, str]] = {
    "a bad format": ({"format": "%%no"}, "settings: .*odd number"),
    "no format": ({"format": None}, "settings.format"),
    "no type": ({"typeCode": None}, "settings.typeCode"),
    "a type that is two": ({"typeCode": "a#b"}, "settings.typeCode"),
    "another setting": ({"formt": "x"}, "settings.formt: is no setting"),
    "no month": ({"startMonth": 13}, "settings.startMonth"),
    "a month that is text": ({"startMonth": "4"}, "settings.startMonth"),
    "no date": ({"registerDate": "soon"}, "settings.registerDate"),
    "no rotation": ({"rotateBy": "weekly"}, "rotate_by must be one of"),
    "no zone": ({"timezone": "Nowhere"}, "timezone"),
}


@in_memory
@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_nothing_is_counted_for_bad_settings(make_lab: MakeLab, name: str) -> None:
    lab = make_lab(TICKET)
    settings, told = BAD_SETTINGS[name]
    with pytest.raises(InvalidInputError, match=told):
        provided(lab, {"typeCode": "own", "format": "%%no%%"} | settings)
    assert lab.rows("") == {}


@in_memory
@pytest.mark.parametrize(
    "theirs",
    [
        Series("invoice"),
        Series("ticket", codes=1),
        Series("invoice", gapless=True),
        Series("short"),
        Series("short", first=2, maximum=9),
        {"typeCode": "short", "format": "%%no%%"},
    ],
)
def test_provided_settings_do_not_count_beside_those_of_the_module(make_lab: MakeLab, theirs: Any) -> None:
    """Nor beyond the last number of a series of the module."""
    lab = make_lab(TICKET, GAPLESS, Series("short", maximum=9))
    with pytest.raises(InvalidInputError, match="type_code"):
        provided(lab, theirs, codes=["A"] * getattr(theirs, "codes", 0))
    assert lab.rows("") == {}


@in_memory
def test_years_and_fiscal_years_never_share_a_row(make_lab: MakeLab) -> None:
    fiscal = Series("t", rotate_by=RotateBy.FISCAL_YEARLY, mbc_fiscal_bucket=True)
    lab = make_lab(fiscal)
    with pytest.raises(InvalidInputError, match="counts otherwise"):
        provided(lab, Series("t", rotate_by=RotateBy.YEARLY))
    assert provided(lab, fiscal, date=AT).id == "SEQ#acme#t#2025"


def test_two_series_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two series have the name 'ticket'"):
        SequenceModule([TICKET, Series("ticket")])
    with pytest.raises(ConfigurationError, match="takes Series"):
        SequenceModule(["ticket"])  # type: ignore[list-item]


def settings_row(lab: Any, attributes: Any, **columns: Any) -> None:
    lab.put(pk="MASTER#acme", sk="MASTER_DATA#ticket", attributes=attributes, **columns)


def test_a_tenant_may_say_how_numbers_are_printed(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET, master=True)
    settings_row(lab, {"format": "S-%%no%%", "rotateBy": "yearly", "timezone": "Asia/Tokyo"})
    assert lab.next("ticket", date=datetime(2025, 12, 31, 15, tzinfo=UTC)).id == "SEQ#acme#ticket#2026"
    settings_row(lab, {"format": "L-%%no%%"})
    assert lab.next("ticket", date=AT).formatted_no == "S-2"  # remembered for five minutes
    assert lab.again().next("ticket").formatted_no == "L-1"
    settings_row(lab, {"format": "L-%%no%%"}, isDeleted=True)
    assert lab.again().next("ticket").formatted_no == "T0002"
    assert lab.next("ticket", tenant_code="other", invoke_context=lab.service.user(tenant="other")).no == 1


@in_memory
def test_a_series_may_be_in_master_data_alone(make_lab: MakeLab) -> None:
    lab = make_lab(master=True)
    settings_row(lab, {"format": "%%code1%%/%%no%%", "startMonth": 4})
    assert lab.next("ticket", codes=["A"]).formatted_no == "A/1"


@in_memory
@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        (None, "attributes.format"),
        ({}, "attributes.format"),
        ({"format": "%%n%%"}, "unknown key"),
        ({"format": 3}, "format"),
    ],
)
def test_settings_that_make_no_sense_are_an_error_and_never_another_format(
    make_lab: MakeLab, attributes: Any, told: str
) -> None:
    lab = make_lab(TICKET, master=True)
    settings_row(lab, attributes)
    with pytest.raises(InvalidInputError, match=told):
        lab.next("ticket")
    assert set(lab.rows("SEQ")) == set()


@in_memory
@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("dynamodb", "ThrottlingException"),
        StoreRefusedError("dynamodb", "AccessDeniedException"),
    ],
)
def test_settings_that_cannot_be_read_are_an_error(make_lab: MakeLab, error: Exception) -> None:
    lab = make_lab(TICKET, master=True)

    def before(call: Call) -> None:
        if call.operation == "get":
            raise error

    lab.service.steps.before = before
    with pytest.raises(type(error)):
        lab.next("ticket")
    assert lab.rows("") == {}


@on_dynamodb
def test_without_master_data_the_code_says_it(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET, modules=None)  # its table is there by convention, says the environment, and is not
    assert [lab.next("ticket").no for _ in range(2)] == [1, 2]


def test_a_number_that_is_no_whole_one_is_told(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    columns = {"seq": Decimal("1.5")}
    lab.service.quiet.write(Set(place=Place(lab.table, "SEQ#acme", "ticket#none"), columns=columns))
    for options in ({"idempotency_key": "k"}, {}):  # without a key it is counted before it is seen
        with pytest.raises(CorruptRowError, match="seq that is no whole number from 0"):
            lab.next("ticket", **options)
    assert lab.rows("SEQ_KEY#") == {}


@pytest.mark.parametrize("seq", ["x", None, True, -1])
def test_a_row_that_makes_no_sense_is_told(make_lab: MakeLab, seq: Any) -> None:
    lab = make_lab(TICKET)
    lab.service.quiet.write(Set(place=Place(lab.table, "SEQ#acme", "ticket#none"), columns={"seq": seq}))
    before = lab.rows("")
    for ask in (
        lambda: lab.next("ticket"),
        lambda: lab.next("ticket", idempotency_key="k"),
        lambda: lab.sequences.generate_sequence_range("ticket", 2, tenant_code="acme"),
        lambda: lab.publish("ticket"),
        lambda: lab.sequences.preview("ticket", tenant_code="acme"),
        lambda: lab.sequences.get_current_sequence("ticket", tenant_code="acme"),
        lambda: lab.sequences.show_sequence("ticket", tenant_code="acme"),
        lambda: lab.sequences.set_sequence("ticket", 9, tenant_code="acme"),
    ):
        with pytest.raises(CorruptRowError, match="seq that is no whole number from 0"):
            ask()
    assert lab.rows("") == before


@in_memory
def test_a_row_that_is_no_counter_is_told(make_lab: MakeLab) -> None:
    lab = make_lab(TICKET)
    lab.put(pk="SEQ#acme", sk="ticket")
    with pytest.raises(CorruptRowError, match="SEQ#acme ticket is no counter"):
        list(lab.sequences.iter_sequences(tenant_code="acme"))


def test_numbers_stay_exact_where_others_read_them(make_lab: MakeLab) -> None:
    """JavaScript, and so JSON and the services in TypeScript, knows whole numbers up to 2^53 - 1."""
    lab = make_lab(TICKET)
    last = 2**53 - 1
    lab.sequences.set_sequence("ticket", last - 2, tenant_code="acme")
    assert lab.next("ticket").formatted_no == f"T{last - 1}"
    assert lab.next("ticket", idempotency_key="k").no == last
    for options in ({}, {"idempotency_key": "l"}):
        with pytest.raises(SequenceExhaustedError):
            lab.next("ticket", **options)
    assert lab.rows()["ticket#none"]["seq"] == last
    with pytest.raises(InvalidInputError, match="no: must be a number from 0 to 9007199254740991"):
        lab.sequences.set_sequence("ticket", last + 1, tenant_code="acme")
