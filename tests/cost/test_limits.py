"""The model of where a service ends, and the page that shows it."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bench.limits import Load, Outcome, Quotas, main, run

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"


def ended(quotas: Quotas | None = None, **load: Any) -> Outcome:
    given: dict[str, Any] = {"commands": 1_000, "keys": 100, "mode": "inline"}
    return run(Load(**(given | load)), quotas or Quotas())


def test_what_is_within_the_quotas_is_applied_and_leaves_nothing() -> None:
    found = ended(commands=10, mode="workflow")
    assert (found.refused, found.applied, found.behind, found.bound_by) == (0, 10, 0, "")


def test_executions_are_started_as_fast_as_the_quota_says_and_the_others_wait() -> None:
    found = ended(mode="workflow")
    assert (found.applied, found.bound_by) == (300, "StartExecution")
    # Ten minutes of 700 a second too many, less what may be started at once.
    assert found.behind == 600 * 700 - (1_300 - 300)
    assert ended(Quotas(starts=1_000, bucket=1_000), mode="workflow").behind == 0


def test_one_key_takes_250_updates_a_second_and_refuses_the_others() -> None:
    found = ended(keys=1)
    assert (found.refused, found.applied, found.bound_by) == (750, 250, "partition of one TYPE#tenant")


@pytest.mark.parametrize(
    ("quotas", "bound"),
    [
        (Quotas(table_writes=400), "write units of a table"),
        (Quotas(requests=100), "requests of the API"),
        (Quotas(concurrency=5), "concurrency"),
    ],
)
def test_the_lowest_ceiling_is_named(quotas: Quotas, bound: str) -> None:
    found = ended(quotas)
    assert (found.refused, found.bound_by) == (900, bound)


def test_a_slow_stream_is_named_and_more_calls_for_each_shard_help() -> None:
    slow = ended(apply_ms=100)
    assert (slow.applied, slow.bound_by) == (320, "shards times parallelization_factor")
    assert ended(Quotas(parallel=10), apply_ms=100).behind == 0


def test_the_page_has_the_table_that_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.limits", "--output", str(tmp_path / "limits.json")])
    printed = StringIO()
    with redirect_stdout(printed):
        main()
    assert printed.getvalue() in PAGE.read_text(encoding="utf-8")
