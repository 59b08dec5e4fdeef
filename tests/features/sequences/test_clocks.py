"""Days that come twice or not at all, clocks that go back, and settings that change meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import RotateBy, Series
from tests.features.sequences.lab import invoice
from tests.support.service import MEMORY

if TYPE_CHECKING:
    from tests.features.sequences.lab import Lab, MakeLab

#: What a day is, and when it is that day, is decided before anything is stored.
STORES = (MEMORY,)

SHIFTS = {
    # Until 2011 the clocks of Newfoundland went back from 00:01 to 23:01 of the day before.
    "a day that ends twice": ("America/St_Johns", datetime(2010, 11, 7, 1, tzinfo=UTC), 2),
    "a day without a midnight": ("Africa/Cairo", datetime(2026, 4, 23, 20, tzinfo=UTC), 2),
    "a day that was left out": ("Pacific/Apia", datetime(2011, 12, 30, 8, tzinfo=UTC), 2),
    "an hour that comes twice": ("Europe/London", datetime(2026, 10, 24, 22, tzinfo=UTC), 2),
    "29 February": ("Asia/Tokyo", datetime(2028, 2, 28, 13, tzinfo=UTC), 2),
    "no 29 February": ("Pacific/Kiritimati", datetime(2027, 2, 28, 8, tzinfo=UTC), 2),
}


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr("runtime.clock._source", moment.timestamp)


@pytest.mark.parametrize("name", SHIFTS)
def test_whatever_the_clocks_do_no_number_prints_twice(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    zone, begin, days = SHIFTS[name]
    series = Series("t", format="%%date%%/%%no%%", rotate_by=RotateBy.DAILY, timezone=zone)
    lab = make_lab(series)
    items = []
    for step in range(24):
        at(monkeypatch, begin + step * timedelta(minutes=15))
        items.append(lab.next("t", idempotency_key=f"k{step}"))
    assert len({item.formatted_no for item in items}) == len(items)
    assert len({item.bucket for item in items}) == days
    for step, item in enumerate(items):
        assert item.formatted_no.partition("/")[0].replace("-", "") == item.bucket
        again = lab.next("t", idempotency_key=f"k{step}")
        assert (again, again.issued_at.astimezone(UTC)) == (item, item.issued_at.astimezone(UTC))


@pytest.mark.parametrize("start", [(1, 31), (2, 29), (3, 31), (10, 31), (12, 31)])
@pytest.mark.parametrize("year", [2027, 2028])
def test_a_fiscal_year_begins_once_on_the_last_day_of_a_month(start: tuple[int, int], year: int) -> None:
    series = Series(
        "t", format="%%fiscal_year%%-%%no%%", rotate_by=RotateBy.FISCAL_YEARLY, fiscal_start=start
    )
    days = [series.moment(datetime(year, 1, 1, tzinfo=UTC) + timedelta(day)) for day in range(366)]
    buckets = [series.rotation.bucket(day.date()) for day in days]
    begins = [n for n in range(1, len(days)) if buckets[n] != buckets[n - 1]]
    assert len(begins) == 1
    first = days[begins[0]]
    is_leap = year == 2028
    assert (first.month, first.day) == (start if is_leap or start != (2, 29) else (3, 1))
    assert buckets == sorted(buckets)


def test_a_clock_that_goes_back_goes_on_in_the_period_before(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = Series("t", format="%%year%%-%%no%%", rotate_by=RotateBy.YEARLY, gapless=True)
    lab = make_lab(series)
    year_end = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    printed: list[str] = []
    for seconds in (0, 2, -1, 5, 0, 3):
        at(monkeypatch, year_end + timedelta(seconds=seconds))
        printed.append(lab.publish("t", publish_id=f"p{len(printed)}").code)
    assert printed == ["2026-1", "2027-1", "2026-2", "2027-2", "2026-3", "2027-3"]
    for bucket in ("2026", "2027"):
        assert lab.sequences.gaps("t", bucket=bucket, tenant_code="acme") == []
    assert lab.publish("t", publish_id="p0").code == "2026-1"


def say(lab: Lab, **attributes: Any) -> None:
    lab.put(pk="MASTER#acme", sk="MASTER_DATA#t", attributes=attributes)


@pytest.mark.parametrize("is_command", [False, True])
def test_a_repeat_has_its_number_though_the_settings_have_changed(
    make_lab: MakeLab,
    is_command: bool,  # noqa: FBT001
) -> None:
    lab = make_lab(Series("t"), master=True)

    def ask(own: Lab) -> Any:
        if is_command:
            return own.publish("t", publish_id="k").code
        return own.next("t", idempotency_key="k").formatted_no

    say(lab, format="A-%%no%%")
    assert ask(lab) == "A-1"
    for changed in ({"format": "B-%%no%%"}, {"format": "C-%%year%%-%%no%%", "rotateBy": "yearly"}):
        say(lab, **changed)
        assert ask(lab.again()) == "A-1"
    assert {sk: row["seq"] for sk, row in lab.rows().items()} == {"t#none": 1}


def test_a_publish_id_is_one_for_each_slot(make_lab: MakeLab) -> None:
    lab = make_lab(
        Series("a", format="A%%no%%", gapless=True), Series("b", format="B%%code1%%%%no%%", codes=1)
    )
    made = [
        lab.publish("a", publish_id="k").sk,
        *(lab.publish("b", codes=[code], publish_id="k").sk for code in ("X", "Y")),
    ]
    assert made == ["A1@1", "BX1@1", "BY1@1"]
    assert lab.publish("b", codes=["Y"], publish_id="k").sk == "BY1@1"
    assert {row["seq"] for row in lab.rows().values()} == {1}


def test_a_command_whose_key_is_another_one_each_time_is_written_once(make_lab: MakeLab) -> None:
    lab = make_lab(Series("t", gapless=True))
    other = lab.again()
    keys = iter(range(100))
    turns = iter([1, 1, 1])

    def make(number: Any) -> dict[str, Any]:
        return {**invoice(number), "sk": f"K{next(keys)}"}

    def before(call: Any) -> None:
        if call.operation == "write" and next(turns, None):
            other.publish("t", make)

    lab.service.steps.before = before
    first = lab.publish("t", make, publish_id="k")
    assert lab.publish("t", make, publish_id="k") == first
    assert lab.rows()["t#none"]["seq"] == len(lab.service.everything()["command"]) == 4
    assert lab.sequences.gaps("t", tenant_code="acme") == []
