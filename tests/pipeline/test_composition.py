"""One context for all services of a module: who holds a service keeps the right one."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[One()])
    yield lab
    lab.clock.stop()


def test_services_that_were_given_out_follow_the_command_table(lab: Lab) -> None:
    commands, repository, data = lab.module.commands, lab.module.repository, lab.module.data
    lab.publish(0)
    lab.settle()
    commands.table_name = "local-lab-other-command"
    assert (commands.table_name, lab.module.tables.command) == ("local-lab-other-command",) * 2
    lab.publish(1, values={"name": "in the other table"})
    assert [row["sk"] for row in lab.store.rows("local-lab-other-command")] == ["A1@2"]
    assert lab.module.repository is repository
    mine = repository.get_item(KEY, invoke_context=lab.user())
    assert mine is not None
    assert mine.name == "in the other table"  # one's own write, from the table that it is in
    applied = data.get_item(KEY, invoke_context=lab.user())
    assert applied is not None
    assert applied.name == "after 0"


def test_services_that_were_given_out_follow_the_resources(lab: Lab) -> None:
    repository = lab.module.repository
    lab.publish(0)
    lab.settle()
    other = Lab(handlers=[One()])
    lab.module.use(resources=other.resources)
    assert repository.get_item(KEY, invoke_context=lab.user()) is None


def test_the_context_cannot_be_changed(lab: Lab) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        lab.context.name = "other"


def test_only_what_a_service_makes_itself_asks_for_the_environments_resources() -> None:
    found = subprocess.run(
        ["git", "grep", "-n", "default_resources()", "--", "runtime"],  # noqa: S607 - git is on the path
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    calls = [line for line in found if "def default_resources" not in line]
    assert {call.partition(":")[0] for call in calls} == {
        "runtime/module.py",
        "runtime/event_store/event_module.py",
        "runtime/event_store/providers/dynamo_provider.py",
        "runtime/features/feature.py",
    }
    assert len(calls) == 4
