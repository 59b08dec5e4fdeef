"""Whatever publish takes becomes a row: as it is, or in a form that is documented."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Enum, Numeric, SmallInteger, String, create_engine, select
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from runtime import ConfigurationError, InvalidInputError
from runtime.model.json_text import dumps
from runtime.sql import CqrsColumns, delete, engine_from_environment, row_of, row_problems, search, upsert
from runtime.sql.types import FittedText
from tests.faults.scale import scaled
from tests.sql.rows import command

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Base(DeclarativeBase):
    pass


class ThingRow(CqrsColumns, Base):
    __tablename__ = "thing"

    note: Mapped[str | None]
    short: Mapped[str | None] = mapped_column(String(5))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    count: Mapped[int | None]
    small: Mapped[int | None] = mapped_column(SmallInteger)
    ratio: Mapped[float | None]
    extra: Mapped[Any] = mapped_column(
        JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql"), nullable=True
    )
    colour: Mapped[str | None] = mapped_column(Enum("red", "blue", name="colour"))
    label: Mapped[str] = mapped_column(default="none")


@pytest.fixture
def things(engine: Engine) -> Engine:
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    return engine


def japanese(count: int) -> str:
    letters = random.Random(count)  # noqa: S311 - not a secret, and not to be compressed
    return "".join(chr(letters.randrange(0x4E00, 0x9F00)) for _ in range(count))


def stored(engine: Engine, **values: Any) -> ThingRow:
    columns = {
        name: values.pop(name) for name in list(values) if name in ThingRow.__table__.c and name in OWN
    }
    with engine.begin() as connection:
        assert upsert(connection, ThingRow, command(**values), **columns) is True
    with Session(engine) as session:
        return session.scalars(select(ThingRow).order_by(ThingRow.id)).all()[-1]


OWN = {"note", "short", "amount", "colour", "count", "small", "ratio", "extra", "label"}


def test_a_name_that_is_too_long_for_an_index_is_cut(things: Engine) -> None:
    name = japanese(900)
    row = stored(things, name=name)
    if things.dialect.name == "sqlite":
        assert row.name == name
    else:
        assert row.name == f"{name[:665]}…"
    with Session(things) as session:
        found = search(session, ThingRow, tenant_code="acme", filters={"name": name})
        assert [item.id for item in found.items] == [row.id]
        assert search(session, ThingRow, tenant_code="acme", keyword=name[:300]).total == 1


@pytest.mark.parametrize("field", ["code", "sk", "pk", "tenant_code"])
def test_a_key_that_is_too_long_stays_a_key(things: Engine, field: str) -> None:
    """Two that differ only beyond what fits are two rows, and each is found again."""
    texts = [f"{japanese(1000)}{end}" for end in ("a", "b")]
    for number, text in enumerate(texts, 1):
        own: dict[str, Any] = {"sk": f"A{number}", "pk": "BOOK#acme", field: text}
        if field == "pk":
            own["pk"] = f"BOOK#{text}"
        own["id"] = f"{own['pk']}#{own['sk']}"
        with things.begin() as connection:
            assert upsert(connection, ThingRow, command(1, **own)) is True
            assert upsert(connection, ThingRow, command(1, **own)) is False
            assert upsert(connection, ThingRow, command(2, **own)) is True
        with Session(things) as session:
            whole = own["pk"] if field == "pk" else text
            (row,) = session.scalars(select(ThingRow).where(getattr(ThingRow, field) == whole))
            assert row.version == 2
    with things.begin() as connection:
        assert delete(connection, ThingRow, command(2, **own)) is True
        assert len(connection.execute(select(ThingRow.id)).all()) == 1


def test_nul_and_half_pairs_are_replaced(things: Engine) -> None:
    text = "a\0b\ud800c"
    row = stored(things, name=text, note=text, created_by=text, extra={text: [text]})
    assert {row.name, row.note, row.created_by} == {"a\ufffdb\ufffdc"}
    assert row.extra == {"a\ufffdb\ufffdc": ["a\ufffdb\ufffdc"]}


def test_keys_with_nul_stay_two(things: Engine) -> None:
    for sk in ("a\0b", "a\ufffdb", "a\0\0b"):
        stored(things, sk=sk, id=f"BOOK#acme#{sk}", code=sk)
    with Session(things) as session:
        assert len({row.sk for row in session.scalars(select(ThingRow))}) == 3


def test_numbers_that_no_column_holds_are_null(things: Engine) -> None:
    row = stored(things, seq=2**63, amount=Decimal("NaN"), ratio=float("inf"), extra=[float("nan"), 1])
    assert (row.seq, row.amount, row.ratio, row.extra) == (None, None, None, [None, 1])
    assert stored(things, sk="B1", seq=2**63 - 1).seq == 2**63 - 1


VALUES: list[tuple[Any, Any]] = [
    ({"a": Decimal("12.50")}, {"a": 12.5}),
    ([Decimal(3), datetime(2026, 1, 2, tzinfo=UTC)], [3, "2026-01-02T00:00:00.000+00:00"]),
    ({"on": date(2026, 1, 2), "id": UUID(int=1)}, {"on": "2026-01-02", "id": str(UUID(int=1))}),
    ({"tags": {"b", "a"}, "raw": b"x"}, {"tags": ["a", "b"], "raw": "eA=="}),
    ({"none": None, "deep": [{"x": Decimal("0.1")}]}, {"none": None, "deep": [{"x": 0.1}]}),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=range(len(VALUES)))
def test_json_columns_take_what_answers_hold(things: Engine, value: Any, expected: Any) -> None:
    assert stored(things, extra=value).extra == expected


def test_json_keeps_every_digit_with_an_engine_of_ours(
    postgres: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("JSON_URL", url)
    ours = engine_from_environment("JSON_URL")
    try:
        Base.metadata.drop_all(ours)
        Base.metadata.create_all(ours)
        number = Decimal("12345678901234567890.123456789012345678")
        assert stored(ours, extra={"n": number}).extra == {"n": number}
    finally:
        ours.dispose()


def test_what_has_no_json_form_is_named(things: Engine) -> None:
    with things.begin() as connection, pytest.raises(InvalidInputError, match="extra: must be what JSON"):
        upsert(connection, ThingRow, command(), extra=object())


TOO_MUCH = [
    ("short", "123456", "must be at most 5 characters, got 6"),
    ("count", 2**31, "must be from -2147483648 to 2147483647"),
    ("small", -(2**15) - 1, "must be from -32768 to 32767"),
    ("amount", Decimal(10_000), "must have at most 4 digits before the decimal point"),
    ("amount", Decimal("9999.999"), "must have at most 4 digits before the decimal point"),
    ("amount", Decimal("9999.995"), "must have at most 4 digits before the decimal point"),
    ("amount", -Decimal("1E30"), "must have at most 4 digits before the decimal point"),
    ("amount", 10**37, "must have at most 4 digits before the decimal point"),
    ("amount", 1e120, "must have at most 4 digits before the decimal point"),
    ("colour", "green", "must be one of red, blue"),
    ("label", None, "must not be null"),
]


@pytest.mark.parametrize(("name", "value", "message"), TOO_MUCH)
def test_what_does_not_fit_into_ones_own_column_is_named(
    things: Engine, name: str, value: Any, message: str
) -> None:
    problems = row_problems(ThingRow, command(), **{name: value})
    if name == "label":  # it has a default
        assert problems == []
        return
    assert [(problem.field, problem.message) for problem in problems] == [(name, message)]
    if things.dialect.name == "postgresql":
        with things.begin() as connection, pytest.raises(InvalidInputError, match=f"{name}: must"):
            upsert(connection, ThingRow, command(), **{name: value})


def test_what_fits_has_no_problems() -> None:
    fits = {
        "short": "12345",
        "count": -(2**31),
        "small": 2**15 - 1,
        "amount": Decimal("9999.9949"),
        "colour": "red",
    }
    assert row_problems(ThingRow, command(), **fits) == []
    with pytest.raises(ConfigurationError):
        row_problems(ThingRow, command(), size=1)


TEXTS = st.one_of(
    st.text(st.characters(), max_size=40),
    st.integers(1, 3000).map(japanese),
    st.integers(250, 9000).map(lambda size: f"{'x' * size}\0"),
)
PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.decimals(allow_nan=True, places=5),
        TEXTS,
        st.datetimes(timezones=st.just(UTC)),
        st.binary(max_size=10),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@settings(
    max_examples=scaled(10, 60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sk=TEXTS.filter(bool), code=TEXTS, name=TEXTS, user=TEXTS, seq=st.integers(), note=TEXTS, extra=PLAIN)
def test_whatever_publish_takes_can_be_written_read_shown_and_taken_away(
    things: Engine, sk: str, **values: Any
) -> None:
    base = {"id": f"BOOK#acme#{sk}", "code": values["code"], "name": values["name"], "seq": values["seq"]}
    own = {"note": values["note"], "extra": values["extra"]}
    with things.connect() as connection:
        for version in (1, 2):
            made = command(version, sk, created_by=values["user"], **base)
            assert upsert(connection, ThingRow, made, **own) is True
            assert upsert(connection, ThingRow, made, **own) is False
        with Session(connection) as session:
            found = search(session, ThingRow, tenant_code="acme", order_bys=["name"])
            assert (found.total, found.items[0].version) == (1, 2)
            json.loads(dumps(found.items))
        assert delete(connection, ThingRow, command(2, sk, **base)) is True
        connection.rollback()


@settings(max_examples=scaled(25, 200))
@given(texts=st.lists(TEXTS, min_size=2, max_size=6, unique=True), dialect=st.sampled_from(["pg", "mysql"]))
def test_keys_that_differ_stay_different_and_fit(texts: list[str], dialect: str) -> None:
    kind = FittedText(255, 300, exact=True)
    name: Any = postgresql.dialect() if dialect == "pg" else mysql.dialect()
    found = [kind.process_bind_param(text, name) or "" for text in texts]
    assert len(set(found)) == len(texts)
    for text, fitted in zip(texts, found, strict=True):
        assert len(fitted.encode()) <= 300 if dialect == "pg" else len(fitted) <= 255
        assert kind.process_bind_param(fitted, name) == fitted
        if "\0" not in text and len(text) < 60 and text.isprintable():
            assert fitted == text


def test_a_pending_command_has_the_form_of_its_row() -> None:
    row = row_of(ThingRow, command(seq=2**70), note="a\0", extra={"n": Decimal("1.5")})
    assert (row.seq, row.note, row.extra) == (None, "a\ufffd", {"n": Decimal("1.5")})


def test_a_row_has_a_json_form(things: Engine) -> None:
    row = stored(things, extra={"n": Decimal("0.5")}, amount=Decimal("1.50"))
    found = json.loads(dumps(row))
    assert (found["tenantCode"], found["amount"], found["extra"]) == ("acme", 1.5, {"n": 0.5})
    assert found["createdAt"] == "2026-01-01T12:30:15.123456+00:00"
    assert "note" not in found


def test_an_engine_with_a_serializer_of_its_own_decides(postgres: Engine) -> None:
    def own(value: Any) -> str:
        return json.dumps(value, default=str)

    engine = create_engine(postgres.url, json_serializer=own)
    try:
        Base.metadata.drop_all(engine)
        Base.metadata.create_all(engine)
        assert stored(engine, extra={"n": Decimal("1.50")}).extra == {"n": "1.50"}
    finally:
        engine.dispose()
