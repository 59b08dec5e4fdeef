"""A commit as a row: what stands in it, how much it takes, and what is refused."""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.contract import FEED_SLICES
from runtime.errors import ConfigurationError, CorruptRowError, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import StoredEvent
from runtime.event_store.commits.commit_row import commit_in
from runtime.store.codec import encoded, image_row, opened, opened_row, sealed
from runtime.store.item_size import item_size
from tests.event_store.store.lab import KEY, Lab, NoBucket, commit, record
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.commits.commit import Commit
    from runtime.store.values import Row

UNIT = 1024


def noise(size: int, seed: int = 0) -> str:
    """Text that does not deflate to less than three quarters."""
    chance = Random(seed)  # noqa: S311 - not a secret
    return "".join(chr(chance.randrange(0x21, 0x7F)) for _ in range(size))


def row_of(made: Commit, **options: Any) -> Row:
    return Lab(**options).storage.row(made)


def units(row: Row) -> int:
    return -(-item_size(row) // UNIT)


def test_a_row_says_what_a_commit_says() -> None:
    made = replace(
        commit(4, key=Key("users", "u#1", "acme"), user_id="u-9", metadata={"correlation": "r-1"}),
        append_id="a-1",
        events=(StoredEvent("b", {"name": "Ann"}), StoredEvent("a", {}, 2), StoredEvent("b", {})),
        state={"name": "Ann"},
        fold="2",
    )
    row = row_of(made)
    assert opened_row(row) == {
        "pk": "users#u#1#acme",
        "sk": "0000000004",
        "last": 6,
        "at": "2026-01-02T03:04:05.678901Z",
        "by": "u-9",
        "append": "a-1",
        "types": {"a", "b"},
        "events": '[["b",{"name":"Ann"}],["a",{},2],["b",{}]]',
        "corr": "r-1",
        "state": '{"name":"Ann"}',
        "fold": "2",
    }
    assert commit_in(row) == made


USER = "0f7a3f4e-0000-4c3b-9b1a-2f1d5c8e6b7a"


def test_a_uuid_takes_16_bytes() -> None:
    made = commit(1, user_id=USER, metadata={"correlation": USER, "causation": USER, "command": USER})
    plain = commit(1, user_id="u" * 36, metadata=dict.fromkeys(made.metadata, "u" * 36))
    row = row_of(made)
    assert {name: len(opened(row[name])) for name in ("by", "corr", "cause", "cmd")} == {
        "by": 16,
        "corr": 16,
        "cause": 16,
        "cmd": 16,
    }
    assert item_size(row_of(plain)) - item_size(row) == 4 * (36 - 16)
    assert commit_in(row) == made


@pytest.mark.parametrize(
    "text",
    [
        *(USER, USER.upper(), USER.replace("-", ""), f"{{{USER}}}", f"urn:uuid:{USER}"),
        *(
            USER[:-1] + "g",
            USER[:-1] + "٣",
            f"{USER}\n",
            USER[:-1] + "\n",
            "",
            "u" * 16,
            "ä" * 8,
            "\x00" * 16,
        ),
    ],
    ids=ascii,
)
def test_who_and_why_are_read_to_the_letter(text: str) -> None:
    known = dict.fromkeys(
        ("correlation", "causation", "source", "command", "corr", "by", "of their own"), text
    )
    made = commit(1, user_id=text, metadata=known)
    assert commit_in(row_of(made)) == made
    assert commit_in(image_row(event_image(encoded(row_of(made))))) == made


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=5))
def test_any_text_is_read_to_the_letter(user_id: str, metadata: dict[str, str]) -> None:
    made = commit(1, user_id=user_id, metadata=metadata)
    assert commit_in(row_of(made)) == made


@pytest.mark.parametrize("change", [{"user_id": "\ud800"}, {"metadata": {"source": "\ud800"}}], ids=ascii)
def test_who_and_why_must_be_unicode(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as raised:
        row_of(replace(commit(1), **change))
    assert [problem.field for problem in raised.value.problems] == [*change]


def test_what_is_not_known_takes_no_room() -> None:
    assert set(row_of(commit(1))) == {"pk", "sk", "last", "at", "append", "types", "events"}


def test_indexes_get_their_columns() -> None:
    lab = Lab(feed=True, aggregates=True)
    lab.append(1, 1)
    first, second = lab.rows()
    assert first["aggregates"] == "users#acme"
    assert "aggregates" not in second
    assert first["feed"] == second["feed"] in map(str, range(FEED_SLICES))
    assert first["feedAt"] < second["feedAt"]
    slices = {lab.storage.row(commit(1, key=KEY._replace(aggregate_id=f"{n}")))["feed"] for n in range(200)}
    assert slices == set(map(str, range(FEED_SLICES)))


def test_the_record_of_a_command_has_no_column_that_a_stream_takes_for_a_commit() -> None:
    lab = Lab(feed=True, aggregates=True)
    lab.provider.append([commit(1)], command=record())
    row = lab.rows()[1]
    assert set(row) == {"pk", "sk", "firstVersion", "lastVersion", "hash", "ttl"}
    assert row["sk"] > ":"


# How much it takes


def test_events_are_deflated_where_that_saves_a_unit_and_nowhere_else() -> None:
    text = {"text": "word " * 150}
    small = row_of(commit(1, body=text))
    assert (units(small), "zipped" in small) == (1, False)
    large = row_of(commit(1, 3, body=text))
    assert (units(large), "zipped" in large, "events" in large) == (1, True, False)
    assert json.loads(zlib.decompress(opened(large["zipped"]))) == [["happened", text]] * 3
    assert commit_in(large).events == commit(1, 3, body=text).events
    noisy = row_of(commit(1, body={"text": noise(1800)}))
    assert (units(noisy), "zipped" in noisy) == (2, False)


STATE = {"note": noise(300, 7)}


def test_a_state_is_kept_where_it_fits_into_what_is_paid_for() -> None:
    row = row_of(commit(1, body={"text": noise(300)}, state=STATE, fold="1"))
    assert (units(row), "state" in row) == (1, True)
    assert (commit_in(row).state, commit_in(row).fold) == (STATE, "1")


def test_a_state_that_costs_a_unit_is_left_out_unless_it_must_be_kept() -> None:
    made = commit(1, body={"text": noise(700)}, state=STATE, fold="1")
    row = row_of(made)
    assert (units(row), "state" in row, "fold" in row) == (1, False, False)
    kept = row_of(replace(made, must_keep_state=True))
    assert (units(kept), "state" in kept) == (2, True)


def test_a_state_fits_beside_events_that_are_deflated_for_it() -> None:
    row = row_of(commit(1, body={"text": "word " * 140}, state=STATE, fold="1"))
    assert (units(row), "state" in row, "zipped" in row) == (1, True, True)


def test_a_state_of_none_is_one() -> None:
    row = row_of(commit(1, state=None, fold="1"))
    assert (commit_in(row).state, commit_in(row).fold) == (None, "1")


def test_a_state_that_is_too_large_is_left_out_even_where_it_must_be_kept() -> None:
    state = {"text": noise(6000)}
    made = commit(1, state=state, fold="1", must_keep_state=True)
    assert "state" not in row_of(made, limit=5000)
    assert "state" in row_of(made, limit=7000)


def test_events_that_are_too_large_for_a_row_are_refused_where_there_is_no_bucket() -> None:
    made = commit(1, 5, body={"text": noise(100 * 1024)})
    with pytest.raises(ConfigurationError, match="S3_BUCKET_NAME"):
        row_of(made, bucket=NoBucket())
    # Without a bucket DynamoDB's own limit counts.
    row = row_of(commit(1, 2, body={"text": noise(100 * 1024)}), bucket=NoBucket())
    assert 150 * 1024 < item_size(row) < 400 * 1024


# What is refused


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("first", {"first": 0}),
        ("first", {"first": 10**10}),
        ("first", {"first": "1"}),
        ("events", {"events": ()}),
        ("events", {"closes": True}),
        ("events[0].type", {"events": (StoredEvent("x" * 256, {}),)}),
        ("events[0].body", {"events": (StoredEvent("x", [1]),)}),  # type: ignore[arg-type]
        ("append_id", {"append_id": "x" * 256}),
        ("user_id", {"user_id": 7}),
        ("metadata", {"metadata": {"source": None}}),
        ("key", {"key": Key("a#b", "1", "acme")}),
        ("key", {"key": Key("a", "1", "ac#me")}),
        ("key", {"key": Key("a", "", "acme")}),
        ("state", {"state": {1, 2}, "fold": "1"}),
        ("metadata", {"metadata": {"source": "x" * 200_000}}),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(field: str, change: dict[str, Any]) -> None:
    lab = Lab()
    made = replace(commit(1), **change) if "first" not in change else _with_first(change["first"])
    with pytest.raises(InvalidInputError) as raised:
        lab.provider.append([made])
    assert [problem.field for problem in raised.value.problems] == [field]
    assert lab.rows() == []


def _with_first(first: Any) -> Commit:
    return replace(commit(1), first=first)


@pytest.fixture(params=[1_000, 100_000], ids=["usual stack", "deep stack"])
def stack(request: pytest.FixtureRequest) -> Iterator[None]:
    """How deep Python goes is a setting of the process: what is stored has to be read in others."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(max(usual, request.param))
    yield
    sys.setrecursionlimit(usual)


def nested(levels: int, *, in_lists: bool = False) -> dict[str, Any]:
    body: Any = "[{[{ a text is no level }]}]" * 100
    for level in range(levels - 1):
        body = [body, level] if in_lists else {"deeper": body, "level": level}
    return {"body": body}


@pytest.mark.usefixtures("stack")
def test_a_body_that_is_nested_without_end_is_refused() -> None:
    body: dict[str, Any] = {}
    body["self"] = body
    for one in (body, nested(10_000)):
        with pytest.raises(InvalidInputError, match="events"):
            row_of(commit(1, body=one))


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("is_text", [False, True])
@pytest.mark.parametrize("in_lists", [False, True])
def test_a_body_has_at_most_100_levels(*, in_lists: bool, is_text: bool) -> None:
    def made(levels: int) -> Commit:
        one = commit(1, body=nested(levels, in_lists=in_lists))
        if is_text:
            event = StoredEvent.of_text("happened", 0, json.dumps(one.events[0].body))
            return replace(one, events=(event,))
        return one

    assert commit_in(row_of(made(100))).events[0].body == nested(100, in_lists=in_lists)
    with pytest.raises(InvalidInputError, match="events: is nested more than 100 levels deep"):
        row_of(made(101))


def test_a_body_may_have_many_parts_side_by_side() -> None:
    body = {"lines": [{"number": number, "tags": ["[", "{"]} for number in range(1_000)]}
    assert commit_in(row_of(commit(1, body=body))).events[0].body == body


@pytest.mark.parametrize(
    "change",
    [
        {"sk": "4"},
        {"pk": "users"},
        {"last": 7},
        {"last": "1"},
        {"at": "yesterday"},
        {"at": None},
        {"events": "{"},
        {"events": "[]"},
        {"events": '[["happened"],["happened"]]'},
        {"events": '[["happened","text"]]'},
        {"events": "[7]"},
        {"events": '[["happened",{},0,1]]'},
        {"events": '[["happened",{},-1]]'},
        {"zipped": sealed(b"no", path="")},
        {"at": "2026-01-02T03:04:05"},
        {"meta": "x"},
        {"meta": "7"},
        {"meta": '{"source":7}'},
        {"by": 7},
        {"by": sealed(b"short", path="")},
        {"cause": sealed({"a"}, path="")},
        {"corr": 7},
        {"src": sealed(b"x" * 17, path="")},
        {"state": "x"},
    ],
    ids=str,
)
def test_a_row_that_makes_no_sense_is_told_with_its_key_and_without_its_content(
    change: dict[str, Any],
) -> None:
    row = row_of(commit(1, body={"name": "Secret"})) | change
    with pytest.raises(CorruptRowError) as raised:
        commit_in(row)
    assert row["pk"] in str(raised.value)
    assert "Secret" not in str(raised.value)


@pytest.mark.parametrize("column", ["last", "at", "events"])
def test_a_row_without_a_column_is_told(column: str) -> None:
    row = row_of(commit(1))
    del row[column]
    with pytest.raises(CorruptRowError, match="0000000001 makes no sense"):
        commit_in(row)


def test_a_deflated_commit_is_read_from_a_stream_record() -> None:
    made = commit(1, 3, body={"text": "word " * 150})
    row = row_of(made)
    assert "zipped" in row
    assert commit_in(image_row(event_image(encoded(row)))) == made
