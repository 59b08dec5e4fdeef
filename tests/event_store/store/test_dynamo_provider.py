"""What only the provider of a deployed module has: it is lazy, and knows its module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import Resources, Settings, metrics
from runtime.errors import ConfigurationError, ModuleMismatchError, StoreUnavailableError
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.event_store.store.lab import KEY, commit

if TYPE_CHECKING:
    from collections.abc import Mapping

NOWHERE = "http://127.0.0.1:9"


def resources(modules: Mapping[str, Any] | None = None, **settings: Any) -> MemoryResources:
    clock = Clock()
    made = Settings(node_env="test", app_name="shop", modules=modules, **settings)
    return MemoryResources(made, MemoryStore(clock=clock.seconds), clock)


def test_it_asks_for_nothing_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr("runtime.event_store.providers.dynamo_provider.default_resources", refuse)
        patched.setattr("runtime.clients.resources.Resources.client", refuse)
        provider = DynamoProvider("blog")
    monkeypatch.setattr("runtime.event_store.providers.dynamo_provider.default_resources", resources)
    assert list(provider.read(KEY)) == []


def test_tables_have_the_names_of_the_convention() -> None:
    found = resources()
    provider = DynamoProvider("blog", found)
    provider.append([commit(1)])
    assert found.store.tables == ["test-shop-blog-events"]  # type: ignore[attr-defined]
    assert provider.cursors() is not None


def test_a_module_that_keeps_commands_is_none_of_events() -> None:
    with pytest.raises(ModuleMismatchError, match="commands"):
        list(DynamoProvider("blog", resources({"blog": {}})).read(KEY))
    with pytest.raises(ModuleMismatchError):
        list(DynamoProvider("other", resources({"blog": {"kind": "events"}})).read(KEY))


def test_other_resources_take_the_place_of_those_that_it_has_used() -> None:
    provider = DynamoProvider("blog", resources())
    provider.append([commit(1)])
    assert provider.notices(["users"], None, 9)
    provider.use(resources())
    assert list(provider.read(KEY)) == []
    assert list(provider.notices(["users"], None, 9)) == []


def test_what_was_appended_and_conflicts_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[Any, ...]] = []
    monkeypatch.setattr(metrics, "count", lambda *what: counted.append(what))
    provider = DynamoProvider("blog", resources())
    provider.append([commit(1, 3)])
    with pytest.raises(AppendRefusedError):
        provider.append([commit(1)])
    assert counted == [("EventsAppended", "blog", 3), ("AppendConflicts", "blog")]


def test_a_store_out_of_reach_is_no_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    settings = Settings(
        node_env="test", app_name="shop", endpoints={"DYNAMODB": NOWHERE}, regions={"DYNAMODB": "eu-west-1"}
    )
    provider = DynamoProvider("blog", Resources(settings))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(StoreUnavailableError):
        provider.append([commit(1)])
    for read in (
        lambda: list(provider.read(KEY)),
        lambda: list(provider.read_back(KEY)),
        lambda: provider.command(KEY, "c"),
        lambda: provider.notices(["users"], None, 9),
        lambda: provider.everything(["users"], segment=0, total_segments=1, start=None, limit=9),
    ):
        with pytest.raises(StoreUnavailableError):
            read()


def test_without_names_it_says_what_is_missing() -> None:
    clock = Clock()
    made = MemoryResources(Settings(), MemoryStore(clock=clock.seconds), clock)
    with pytest.raises(ConfigurationError, match="NODE_ENV is not set"):
        list(DynamoProvider("blog", made).read(KEY))
