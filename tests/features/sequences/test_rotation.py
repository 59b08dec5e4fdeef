"""Two numbers never print alike: whatever the start, the zone and the rotation."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import ConfigurationError, InvalidInputError, RotateBy, Series
from runtime.features.sequences.format import Format, FormatError, _check_digits
from runtime.features.sequences.rotation import Rotation, fiscal_year

ZONES = ["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/London", "America/St_Johns"]
#: What tells the buckets of a rotation apart in print.
PRINTS = {
    RotateBy.NONE: "",
    RotateBy.YEARLY: "%%year%%-",
    RotateBy.FISCAL_YEARLY: "%%fiscal_year%%-",
    RotateBy.MONTHLY: "%%year%%-%%month%%-",
    RotateBy.DAILY: "%%date%%/",
}

starts = st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: (day.month, day.day))
moments = st.datetimes(datetime(1955, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
near = st.builds(lambda at, step: (at, at + step), moments, st.timedeltas(timedelta(-400), timedelta(400)))
numbers = st.one_of(st.integers(1, 300), st.integers(1, 2**53 - 1))


@given(
    moments=near,
    start=starts,
    zone=st.sampled_from(ZONES),
    by=st.sampled_from(RotateBy),
    nos=st.tuples(numbers, numbers),
)
@settings(max_examples=300, deadline=None)
def test_one_bucket_prints_one_period_and_two_buckets_two(
    moments: Any, start: Any, zone: str, by: RotateBy, nos: Any
) -> None:
    series = Series("t", format=f"{PRINTS[by]}%%no%%", rotate_by=by, timezone=zone, fiscal_start=start)
    first, second = map(series.moment, moments)
    printed = [series.printed(no, at, ()) for no, at in zip(nos, (first, second), strict=True)]
    keys = [(series.rotation.bucket(at.date()), no) for no, at in zip(nos, (first, second), strict=True)]
    assert (printed[0] == printed[1]) == (keys[0] == keys[1])
    for bucket, _ in keys:
        series.rotation.check(bucket)


pads = st.sampled_from(["", "#:0>2", "#:0>5", "#: >4", "#:->12", "#:9>3", "#:1>1"])
variables = [
    "year",
    "yy",
    "month",
    "mm",
    "day",
    "dd",
    "date",
    "fiscal_year",
    "fiscal_year_start",
    "check",
    "code1",
]
fields = st.builds(lambda key, pad: f"%%{key}{pad}%%", st.sampled_from([*variables, "no", "no"]), pads)
formats = st.lists(
    st.one_of(fields, st.sampled_from(["-", "/", "1", "0", "A", "#", "% "])), min_size=1, max_size=7
)


@given(
    parts=formats,
    by=st.sampled_from(RotateBy),
    start=starts,
    moment=moments,
    days=st.lists(st.integers(-400, 400), min_size=3, max_size=3),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_two_numbers_of_one_counter_never_print_alike(
    parts: list[str], by: RotateBy, start: Any, moment: datetime, days: list[int]
) -> None:
    """Any format that is taken, on any days of one bucket: what is printed tells the number."""
    try:
        series = Series("t", format="".join(parts), rotate_by=by, fiscal_start=start, codes=1)
    except ConfigurationError:
        return
    moments = [series.moment(moment + timedelta(step)) for step in (0, *days)]
    seen: dict[tuple[str, str], int] = {}
    for at in moments:
        bucket = series.rotation.bucket(at.date())
        for no in (
            1,
            2,
            9,
            10,
            11,
            12,
            19,
            21,
            31,
            91,
            99,
            101,
            111,
            112,
            121,
            211,
            911,
            1001,
            1111,
            1211,
            2011,
        ):
            printed = series.printed(no, at, ("1",))
            assert seen.setdefault((bucket, printed), no) == no, (parts, printed)


@pytest.mark.parametrize(
    ("start", "day", "year"),
    [
        ((4, 6), date(2026, 4, 5), 2025),
        ((4, 6), date(2026, 4, 6), 2026),
        ((2, 29), date(2025, 3, 1), 2025),
        ((2, 29), date(2025, 2, 28), 2024),
        ((1, 1), date(2026, 1, 1), 2026),
        ((12, 31), date(2026, 12, 30), 2025),
    ],
)
def test_a_fiscal_year_begins_on_any_day(start: tuple[int, int], day: date, year: int) -> None:
    assert fiscal_year(day, start) == year
    assert Rotation(RotateBy.FISCAL_YEARLY, start).bucket(day) == f"FY{year}"


def test_midnight_is_that_of_the_zone() -> None:
    tokyo = Series("t", format="%%date%%/%%no%%", rotate_by=RotateBy.YEARLY, timezone="Asia/Tokyo")
    at = tokyo.moment(datetime(2025, 12, 31, 15, 0, tzinfo=UTC))
    assert tokyo.rotation.bucket(at.date()) == "2026"
    assert tokyo.printed(7, at, ()) == "2026-01-01/7"


AT = datetime(2026, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("%%no%%", "42"),
        ("%%no#:0>6%%", "000042"),
        ("%%no#:0>10%%", "0000000042"),
        ("%%no#:*>64%%", "*" * 62 + "42"),
        ("no%%no%%", "no42"),
        ("100% %%no%%", "100% 42"),
        ("%%fiscal_year%%-%%no#:0>4%%", "73-0042"),
        ("%%code1%%/%%code2#:x>4%%/%%no%%", "A/xxBC/42"),
        ("%%year%%%%mm%%%%dd%%%%no#:0>3%%", "20260304042"),
        ("%%yy%%.%%month%%.%%day%%.%%no%%", "26.3.4.42"),
        ("%%month#:0>2%%%%day#:0>2%%%%no%%", "030442"),
        ("%%date%%:%%no%%", "2026-03-04:42"),
        ("%%fiscal_year_start%%/%%fiscal_year_end%%-%%no%%", "2025/2026-42"),
        ("RF%%no%%%%check%%", "RF4278"),
    ],
)
def test_a_format_prints(text: str, printed: str) -> None:
    series = Series("t", format=text, codes=2)
    assert series.printed(42, series.moment(AT), ("A", "BC")) == printed
    assert series.format.text == text


def test_check_digits_are_those_of_iso_7064() -> None:
    assert _check_digits("794") == "44"  # the standard's own example
    assert int(f"{int('R', 36)}{int('F', 36)}42{_check_digits('RF42')}") % 97 == 1


def test_check_digits_are_printed_of_whatever_a_format_prints() -> None:
    """Python refuses to read a number of more than 4300 digits."""
    series = Series("t", format=f"{'%%yy#:Z>64%%' * 40}%%no%%%%check%%")
    printed = series.printed(1, series.moment(AT), ())
    assert printed == f"{'Z' * 62}26" * 40 + "1" + printed[-2:]
    remainder = 0
    for digit in "".join(str(int(character, 36)) for character in printed):
        remainder = (remainder * 10 + int(digit)) % 97
    assert remainder == 1


@pytest.mark.parametrize(("start", "printed"), [((1, 1), "2026/2026-1"), ((1, 2), "2026/2027-1")])
def test_a_fiscal_year_ends_in_the_year_of_its_last_day(start: tuple[int, int], printed: str) -> None:
    series = Series("t", format="%%fiscal_year_start%%/%%fiscal_year_end%%-%%no%%", fiscal_start=start)
    assert series.printed(1, series.moment(AT), ()) == printed


def test_the_first_fiscal_year_may_be_one_of_the_series_own() -> None:
    series = Series("t", format="%%fiscal_year%%-%%no%%", fiscal_start=(7, 1), register_date=date(2025, 7, 1))
    assert series.printed(1, series.moment(datetime(2026, 6, 30, tzinfo=UTC)), ()) == "1-1"
    assert series.printed(1, series.moment(datetime(2025, 6, 30, tzinfo=UTC)), ()) == "0-1"
    with pytest.raises(InvalidInputError, match="before the first fiscal year"):
        series.moment(datetime(2024, 6, 30, tzinfo=UTC))


BAD_FORMATS = {
    "": "1 to 500 characters",
    "A-%%no": "odd number",
    "%%no%%%%": "odd number",
    "%%number%%": "unknown key 'number'",
    "%%no#:00>5%%": "one character to fill with",
    "%%no#5%%": "one character to fill with",
    "%%no#:0>65%%": "widths from 1 to 64",
    "%%no#:0>9999%%": "widths from 1 to 64",
    "%%no#:0>99999%%": "one character to fill with",
    "%%no#:0>\uff16%%": "one character to fill with",
    "%%n\u043e%%": "unknown key",
    "%%NO%%": "unknown key 'NO'",
    "%%no#:0>0%%": "widths from 1 to 64",
    "%%code1%%-%%code3%%-%%no%%": "the series has 2 codes; give it codes=3",
    "%%code6%%-%%no%%": "unknown key 'code6'",
    "%%year%%": "must have the number in it, once",
    "%%no%%-%%no%%": "must have the number in it, once",
    "%%check%%%%check%%%%no%%": "once at most",
    "%%no#:1>3%%": "use 0",
    "%%day%%%%no%%": "after %%day%%",
    "%%day%%1%%no%%": "after %%day%%",
    "%%no%%%%month%%": "before %%month%%",
    "%%fiscal_year%%%%no#:0>4%%": "after %%fiscal_year%%",
    "%%no%%\n": "without control characters",
}


@pytest.mark.parametrize("text", BAD_FORMATS)
def test_a_bad_format_is_refused_when_the_series_is_made(text: str) -> None:
    with pytest.raises(FormatError, match=BAD_FORMATS[text].replace("(", r"\(")):
        Format(text, 2)
    with pytest.raises(ConfigurationError, match="series 't': format "):
        Series("t", format=text, codes=2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"type_code": "a#b"}, "type_code"),
        ({"type_code": ""}, "type_code"),
        ({"type_code": "x" * 65}, "1 to 64"),
        ({"codes": 6}, "codes must be 0 to 5"),
        ({"codes": True}, "codes must be"),
        ({"first": 0}, "first must be"),
        ({"first": 5, "maximum": 4}, "maximum must be a number from 5"),
        ({"maximum": 2**53}, "maximum must be a number from 1 to 9007199254740991"),
        ({"first": 2**53}, "first must be a number from 1 to 9007199254740991"),
        ({"fiscal_start": (2, 30)}, "fiscal_start"),
        ({"fiscal_start": 4}, "fiscal_start"),
        ({"register_date": "2020"}, "register_date"),
        ({"register_date": datetime(2020, 4, 1, tzinfo=UTC)}, "register_date must be a date"),
        ({"rotate_by": "weekly"}, "rotate_by must be one of none, yearly"),
        ({"timezone": "Asia/Tokio"}, "timezone"),
        ({"timezone": "../etc"}, "timezone"),
        ({"roles": "admin"}, "roles"),
        ({"roles": None}, "roles"),
        ({"roles": [""]}, "roles"),
        ({"mbc_fiscal_bucket": True}, "mbc_fiscal_bucket"),
        ({"mbc_fiscal_bucket": True, "rotate_by": "fiscal_yearly", "fiscal_start": (7, 1)}, "1 April"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Series(**{"type_code": "t"} | arguments)


@pytest.mark.parametrize("by", RotateBy)
@pytest.mark.parametrize(
    "bucket", ["", "x", "26", "FY26", "2026-1", "202613", "20261232", "2026\n", "\uff12\uff10\uff12\uff16"]
)
def test_what_is_no_bucket_is_refused(by: RotateBy, bucket: str) -> None:
    with pytest.raises(InvalidInputError, match="bucket"):
        Rotation(by).check(bucket)


def test_fiscal_years_may_be_counted_in_the_rows_of_the_reference() -> None:
    series = Series("t", rotate_by=RotateBy.FISCAL_YEARLY, mbc_fiscal_bucket=True)
    assert series.rotation.bucket(date(2026, 3, 31)) == "2025"
    series.rotation.check("2025")
