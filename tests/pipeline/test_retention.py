"""What the next version builds on outlives retention, also in a module without data rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import CommandModule, VersionConflictError
from runtime.model.status import FINISHED
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[One()], keeps_data=False)
    lab.keep_for("command", 1)
    yield lab
    lab.clock.stop()


def expire(lab: Lab, versions: int = 3) -> None:
    """Publish some versions; their commands expire."""
    for version in range(versions):
        lab.publish(version)
        lab.settle()
    assert lab.status(versions) == FINISHED
    lab.clock.advance(days=2)
    lab.store.expire()
    assert lab.store.rows(lab.context.tables.command) == []


def test_an_explicit_version_goes_on(lab: Lab) -> None:
    expire(lab)
    assert lab.publish(3).version == 4
    lab.settle()
    assert lab.module.handler("One").handler.versions() == [1, 2, 3, 4]  # type: ignore[attr-defined]


def test_the_latest_goes_on(lab: Lab) -> None:
    expire(lab)
    assert lab.publish(-1, values={"name": "latest"}).version == 4


def test_publish_with_retry_gets_the_last_state(lab: Lab) -> None:
    expire(lab)
    seen: list[Any] = []

    def change(latest: Any) -> dict[str, Any]:
        seen.append(latest.name)
        return lab.command(name="retried")

    assert lab.module.commands.publish_with_retry(KEY, change, invoke_context=lab.user()).version == 4
    assert seen == ["after 2"]


def test_a_partial_update_builds_on_the_last_state(lab: Lab) -> None:
    expire(lab)
    changed = lab.module.commands.publish_partial_update_async(
        {**KEY._asdict(), "version": -1, "attributes": {"done": True}}, invoke_context=lab.user()
    )
    assert changed is not None
    assert (changed.version, changed.attributes) == (4, {"title": "t2", "done": True})


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_earlier_version_is_a_conflict(lab: Lab, version: int) -> None:
    expire(lab)
    with pytest.raises(VersionConflictError):
        lab.publish(version)


def test_what_would_change_nothing_changes_nothing(lab: Lab) -> None:
    expire(lab)
    assert lab.publish(3, values={"name": "after 2", "attributes": {"title": "t2"}}) is None


def test_a_renamed_handler_does_not_forget_the_version(lab: Lab) -> None:
    expire(lab)
    lab.module = CommandModule(
        "todo", data_sync_handlers=[Two()], disable_default_handler=True, resources=lab.resources
    )
    assert lab.publish(-1, values={"name": "renamed"}).version == 4
    lab.settle()
    assert lab.module.handler("Two").handler.versions() == [4]  # type: ignore[attr-defined]


def test_nothing_is_kept_beside_where_nothing_expires() -> None:
    lab = Lab(handlers=[One()], keeps_data=False)
    lab.publish(0)
    lab.settle()
    assert [row["sk"] for row in lab.store.rows(lab.context.tables.sync)] == ["One#A1"]
    lab.clock.stop()
