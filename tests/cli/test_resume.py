from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.cli.errors import UsageError
from constructs_lib.cli.resume import Position, positions_of

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)


@given(NAMES, st.integers(0, 63), st.integers(1, 64), st.none() | st.text(min_size=1))
def test_a_token_comes_back_as_it_was(module: str, segment: int, more: int, page: str | None) -> None:
    position = Position("reconcile", module, segment, segment + more, page)
    token = str(position)
    assert Position.parse(token) == position
    assert not set(token) & set(" '\"$`\\!*?&;|<>()\n#")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "order",
        "reconcile:order",
        "reconcile:order:4/4",
        "reconcile:order:0/0",
        "reconcile:order:x/4",
        "reconcile:order:0/1:%%",
        "reconcile:order:0/1:abc",
        "reconcile:order:0/1:gA==",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="--resume: must be a token that an interrupted run has printed"):
        Position.parse(token)


def test_tokens_of_another_command_are_refused() -> None:
    with pytest.raises(UsageError, match="goes on a resync, not a reconcile"):
        positions_of(["resync:order:0/1"], "reconcile")


def test_a_segment_is_given_once() -> None:
    with pytest.raises(UsageError, match="segment 1/2 of order is given twice"):
        positions_of(["reconcile:order:1/2", "reconcile:order:1/2:MQ=="], "reconcile")
