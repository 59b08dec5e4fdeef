"""A gapless number is used up with its command: no gap, no duplicate, whoever dies or comes twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CorruptRowError,
    ForbiddenError,
    Gap,
    InvalidInputError,
    ItemNotFoundError,
    PublishIdReusedError,
    Series,
)
from runtime.store.port import Set
from runtime.store.values import Place
from tests.features.sequences.lab import invoice
from tests.support.service import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.features.sequences.lab import MakeLab
    from tests.support.wire import Call

INVOICE = Series("invoice", format="INV-%%no#:0>3%%", gapless=True)
LOGGED = Series("logged", issue_log=True)
PLAIN = Series("plain", format="P%%no%%")
ROOT = '[{"tenant": "", "role": "system_admin"}]'


def issues(numbers: int) -> dict[str, str]:
    return {f"invoice#none#{no:016}": f"INV-{no:03}@1" for no in range(1, numbers + 1)}


def test_a_number_is_used_up_with_its_command(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE, PLAIN)
    for _ in range(2):
        assert lab.publish("invoice").type == "TODO"
    assert lab.issued() == issues(2)
    row = lab.rows("SEQ_ISSUE#")["invoice#none#0000000000000002"]
    assert {
        name: row[name] for name in ("pk", "status", "id", "formattedNo", "tenantCode", "type", "createdBy")
    } == {
        "pk": "SEQ_ISSUE#acme",
        "status": "ISSUED",
        "id": "TODO#acme#INV-002",
        "formattedNo": "INV-002",
        "tenantCode": "acme",
        "type": "invoice",
        "createdBy": "u1",
    }
    assert lab.rows()["invoice#none"]["seq"] == 2
    # A plain series may give numbers to commands as well: then it has no gap for them either.
    assert lab.publish("plain").sk == "P1@1"
    assert set(lab.rows("SEQ_ISSUE#")) == set(issues(2))


def refusing(_number: Any) -> dict[str, Any]:
    raise LookupError


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (refusing, LookupError),
        (lambda number: {**invoice(number), "pk": "TODO#other"}, ForbiddenError),
        (lambda number: {**invoice(number), "seq": "x"}, InvalidInputError),
    ],
)
def test_no_number_is_used_up_by_what_is_refused(
    make_lab: MakeLab, make: Any, error: type[Exception]
) -> None:
    lab = make_lab(INVOICE)
    with pytest.raises(error):
        lab.publish("invoice", make, publish_id="p")
    assert lab.rows("") == {}
    assert not any(lab.service.everything().values())
    assert lab.publish("invoice", publish_id="p").sk == "INV-001@1"


@in_memory
def test_a_number_of_another_tenant_is_refused(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE)
    root = lab.service.user(roles=ROOT)
    with pytest.raises(ForbiddenError, match="give the slot its tenant_code"):
        lab.publish("invoice", lambda number: {**invoice(number), "pk": "TODO#other"}, invoke_context=root)
    assert lab.rows("") == {}


def test_a_repeated_publish_has_its_number(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE)
    first = lab.publish("invoice", publish_id="cart-9")
    assert lab.publish("invoice", refusing, publish_id="cart-9") == first
    assert lab.publish("invoice", publish_id="cart-10").sk == "INV-002@1"
    (key, _) = (row for row in lab.rows("SEQ_KEY#").values())
    assert "ttl" not in key  # for ever, as the record of the number
    with pytest.raises(PublishIdReusedError):
        lab.publish("invoice", publish_id="cart-9", sync=True)
    assert lab.issued() == issues(2)


@in_memory
def test_a_repeated_request_takes_one_step_of_each_counter(make_lab: MakeLab) -> None:
    """Its ``Idempotency-Key`` is the publish id; two series and two calls of one series do not mix."""
    lab = make_lab(INVOICE, PLAIN)

    def request(key: str) -> list[str]:
        me = replace(lab.service.user(), headers={"idempotency-key": key})
        return [lab.publish(series, invoke_context=me).sk for series in ("invoice", "plain", "invoice")]

    first = request("cart-9")
    assert first == ["INV-001@1", "P1@1", "INV-002@1"]
    assert request("cart-9") == first
    assert {sk: row["seq"] for sk, row in lab.rows().items()} == {"invoice#none": 2, "plain#none": 1}
    assert request("cart-10") == ["INV-003@1", "P2@1", "INV-004@1"]


@in_memory
def test_the_key_of_a_number_alone_and_a_publish_id_are_two(make_lab: MakeLab) -> None:
    lab = make_lab(PLAIN)
    lab.next("plain", idempotency_key="k")
    with pytest.raises(PublishIdReusedError):
        lab.publish("plain", publish_id="k")
    lab.publish("plain", publish_id="l")
    with pytest.raises(PublishIdReusedError):
        lab.next("plain", idempotency_key="l")
    assert lab.rows()["plain#none"]["seq"] == 2


class Death(BaseException):
    """The end of a process: nothing may catch it."""


@in_memory
@pytest.mark.parametrize("sync", [False, True])
def test_whoever_dies_at_any_call_leaves_no_gap(make_lab: MakeLab, sync: bool) -> None:  # noqa: FBT001
    """Before and after each call; then the delivery comes twice."""
    lab = make_lab(INVOICE)
    number = 0
    for when in ("before", "after"):
        for at in count():
            number += 1
            calls = iter(range(at, -1, -1))

            def die(_call: Call, calls: Iterator[int] = calls) -> None:
                if next(calls, None) == 0:
                    raise Death

            dying = lab.again()
            setattr(dying.service.steps, when, die)
            died = False
            try:
                dying.publish("invoice", publish_id=f"{when}-{at}", sync=sync)
            except Death:
                died = True
            for _delivery in range(2):
                made = lab.publish("invoice", publish_id=f"{when}-{at}", sync=sync)
                assert made.sk == f"INV-{number:03}@1"
            if not died:
                break
    assert number > 4
    assert lab.issued() == issues(number)
    assert lab.sequences.gaps("invoice", tenant_code="acme") == []
    assert sorted(sk for _, sk in lab.service.everything()["command"]) == list(issues(number).values())


def test_many_at_once_leave_no_gap(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE)

    def take(worker: int) -> list[str]:
        return [
            lab.publish("invoice", publish_id=f"{worker}-{turn}", attempts=1000).sk
            for turn in range(3)
            for _twice in range(2)
        ]

    with ThreadPoolExecutor(8) as threads:
        keys = {sk for made in threads.map(take, range(8)) for sk in made}
    assert keys == {*issues(24).values()}
    assert lab.issued() == issues(24)


# What is recorded


def test_what_is_void_is_a_gap_with_its_reason(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE)
    for _ in range(4):
        lab.publish("invoice")
    ann = lab.service.user()
    for no, reason in ((2, "misprint"), (3, "misprint"), (4, "cancelled"), (4, "cancelled")):
        lab.sequences.void("invoice", no, reason=reason, invoke_context=ann)
    assert lab.sequences.gaps("invoice", invoke_context=ann) == [
        Gap(2, 3, "misprint"),
        Gap(4, 4, "cancelled"),
    ]
    row = lab.rows("SEQ_ISSUE#")["invoice#none#0000000000000004"]
    assert (row["status"], row["id"], row["voidedBy"]) == ("VOID", "TODO#acme#INV-004", "u1")
    assert lab.publish("invoice").sk == "INV-005@1"  # it is not given again
    with pytest.raises(InvalidInputError, match="no: is void already, or was never given: misprint"):
        lab.sequences.void("invoice", 2, reason="another", invoke_context=ann)
    for no in (0, 6, 10**9):
        with pytest.raises(ItemNotFoundError, match=f"has not given the number {no} in none"):
            lab.sequences.void("invoice", no, reason="r", invoke_context=ann)


@in_memory
def test_a_series_without_records_tells_nothing(make_lab: MakeLab) -> None:
    lab = make_lab(PLAIN)
    lab.next("plain")
    for ask in (lambda: lab.sequences.gaps("plain", tenant_code="acme"),
                lambda: lab.sequences.void("plain", 1, reason="r", tenant_code="acme")):  # fmt: skip
        with pytest.raises(InvalidInputError, match="issue_log=True"):
            ask()


@in_memory
@pytest.mark.parametrize(
    ("options", "told"),
    [({"no": -1}, "no"), ({"no": "1"}, "no"), ({"no": True}, "no"), ({"reason": ""}, "reason"),
     ({"reason": "r" * 201}, "reason"), ({"bucket": "2026"}, "bucket"), ({"codes": ["A"]}, "codes")],
)  # fmt: skip
def test_nothing_is_recorded_for_bad_input(make_lab: MakeLab, options: dict[str, Any], told: str) -> None:
    lab = make_lab(INVOICE)
    lab.publish("invoice")
    before = lab.rows("")
    void: Any = lab.sequences.void
    with pytest.raises(InvalidInputError, match=told):
        void("invoice", **{"no": 1, "reason": "r", "tenant_code": "acme"} | options)
    assert lab.rows("") == before


def test_numbers_from_before_the_records_are_gaps_without_a_reason(make_lab: MakeLab) -> None:
    lab = make_lab(Series("logged"))
    for _ in range(3):
        lab.next("logged")
    later = lab.again(LOGGED)
    assert later.next("logged").no == 4
    gaps = later.sequences.gaps
    assert gaps("logged", tenant_code="acme") == [Gap(1, 3)]
    later.sequences.void("logged", 2, reason="lost", tenant_code="acme")
    assert gaps("logged", tenant_code="acme") == [Gap(1, 1), Gap(2, 2, "lost"), Gap(3, 3)]
    lab.next("logged")
    assert gaps("logged", tenant_code="acme")[-1] == Gap(5, 5)


@in_memory
def test_gaps_are_those_of_one_counter(make_lab: MakeLab) -> None:
    """Also where the key of another one begins with its key."""
    lab = make_lab(LOGGED)
    other = lab.again(Series("logged", issue_log=True, codes=2))
    other.next("logged", codes=["none", "0000000000000001"])
    assert {sk[:28] for sk in lab.rows("SEQ_ISSUE#")} == {"logged#none#0000000000000001"}
    later = lab.again(Series("logged"))
    later.next("logged")
    later.next("logged")
    assert lab.sequences.gaps("logged", tenant_code="acme") == [Gap(1, 2)]


@in_memory
def test_a_number_may_be_void_that_is_given_at_that_moment(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE)
    other = lab.again()
    turns = iter([1])

    def before(call: Call) -> None:
        if call.operation == "get" and next(turns, None):  # the record was looked for, and not the counter
            other.publish("invoice")

    lab.service.steps.before = before
    lab.sequences.void("invoice", 1, reason="misprint", tenant_code="acme")
    assert lab.sequences.gaps("invoice", tenant_code="acme") == [Gap(1, 1, "misprint")]


# Setting a counter


def test_what_a_counter_skips_keeps_its_reason_beside_what_is_void(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE)
    lab.publish("invoice")
    lab.sequences.set_sequence("invoice", 10, tenant_code="acme")
    skipped = "set from 1 to 10 by system"
    lab.publish("invoice")
    gaps = lab.sequences.gaps
    assert gaps("invoice", tenant_code="acme") == [Gap(2, 10, skipped)]
    lab.sequences.void("invoice", 5, reason="printed by hand", tenant_code="acme")
    lab.sequences.void("invoice", 10, reason="printed by hand", tenant_code="acme")
    assert gaps("invoice", tenant_code="acme") == [
        Gap(2, 4, skipped),
        Gap(5, 5, "printed by hand"),
        Gap(6, 9, skipped),
        Gap(10, 10, "printed by hand"),
    ]
    with pytest.raises(InvalidInputError, match="never given: set from 1 to 10"):
        lab.sequences.void("invoice", 2, reason="r", tenant_code="acme")


def test_a_counter_may_take_over_from_another_system(make_lab: MakeLab) -> None:
    lab = make_lab(INVOICE, PLAIN)
    for series in ("invoice", "plain"):
        found = lab.sequences.set_sequence(series, 100, tenant_code="acme")
        assert (found.no, found.bucket) == (100, "none")
        assert lab.sequences.set_sequence(series, 100, tenant_code="acme").no == 100
    assert lab.publish("invoice").sk == "INV-101@1"
    assert lab.next("plain").no == 101
    assert lab.sequences.gaps("invoice", tenant_code="acme") == [Gap(1, 100, "set from 0 to 100 by system")]
    lab.sequences.set_sequence("invoice", 110, tenant_code="acme")
    assert lab.sequences.gaps("invoice", tenant_code="acme")[1:] == [
        Gap(102, 110, "set from 101 to 110 by system")
    ]


def test_a_counter_never_goes_back(make_lab: MakeLab) -> None:
    lab = make_lab(Series("plain", maximum=50))
    for _ in range(3):
        lab.next("plain")
    for no in (0, 2, 51, "9", None):
        with pytest.raises(InvalidInputError, match="no: must be"):
            lab.sequences.set_sequence("plain", no, tenant_code="acme")  # type: ignore[arg-type]
    with pytest.raises(ForbiddenError, match="crosses tenants"):
        lab.sequences.set_sequence("plain", 9, invoke_context=lab.service.user())
    assert lab.next("plain").no == 4
    assert lab.sequences.set_sequence("plain", 9, invoke_context=lab.service.user(roles=ROOT)).no == 9


@in_memory
def test_setting_goes_on_from_whoever_was_faster(make_lab: MakeLab) -> None:
    lab = make_lab(PLAIN)
    other = lab.again()
    turns = iter([1])

    def before(call: Call) -> None:
        if call.operation == "write" and next(turns, None):
            other.next("plain")

    lab.service.steps.before = before
    assert lab.sequences.set_sequence("plain", 7, tenant_code="acme").no == 7
    assert lab.next("plain").no == 8


@in_memory
def test_a_counter_that_was_set_back_by_hand_gives_no_number_twice(make_lab: MakeLab) -> None:
    lab = make_lab(LOGGED, INVOICE)
    for _ in range(2):
        lab.next("logged")
        lab.publish("invoice")
    for name in ("logged", "invoice"):
        lab.service.quiet.write(Set(place=Place(lab.table, "SEQ#acme", f"{name}#none"), columns={"seq": 1}))
    before = lab.rows("")
    told = "gives 2 next, which is recorded as given"
    with pytest.raises(CorruptRowError, match=told):
        lab.next("logged")
    with pytest.raises(CorruptRowError, match=told):
        lab.publish("invoice", publish_id="p")
    for no in (2, 50):
        with pytest.raises(CorruptRowError, match=told):
            lab.sequences.set_sequence("logged", no, tenant_code="acme")
    assert lab.rows("") == before
