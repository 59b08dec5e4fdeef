"""Attributes that are given by an import path."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from pydantic import Field

from runtime import CommandModule, ConfigurationError, CqrsApp, CqrsModel
from runtime.entry.check import check
from runtime.settings import Settings
from runtime.testing import MemoryApp

KEY = ("ORDER#acme", "1")


class Attributes(CqrsModel):
    total: int


class NeverReadAgain(CqrsModel):
    pin: str = Field(exclude=True)


class Watched(ModuleType):
    """A module that knows whether something of it was asked for."""

    is_used = False

    def __getattr__(self, name: str) -> Any:
        if name != "Attributes":
            raise AttributeError(name)
        self.is_used = True
        return Attributes


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    made = Watched("watched_attributes")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_a_path_is_followed_when_the_type_is_needed(watched: Watched) -> None:
    module = CommandModule("order", attributes="watched_attributes:Attributes")
    assert not watched.is_used
    assert module.attributes is Attributes
    assert watched.is_used


@pytest.mark.usefixtures("watched")
def test_rows_are_read_as_the_type_that_the_path_leads_to() -> None:
    module: CommandModule[Attributes] = CommandModule("todo", attributes="watched_attributes:Attributes")
    with MemoryApp(CqrsApp(modules=[module])) as app:
        me = app.user("ann", tenant="acme")
        command = {"pk": KEY[0], "sk": KEY[1], "code": "1", "name": "n", "type": "ORDER", "version": 0}
        module.commands.publish_sync({**command, "attributes": {"total": 3}}, invoke_context=me)
        item = module.data.get_item(KEY, consistent=True, invoke_context=me)
        assert item is not None
        assert item.attributes == Attributes(total=3)


@pytest.mark.parametrize("path", ["orders.attributes", ":Order", "orders:", ""])
def test_a_path_that_can_be_none_is_refused_when_the_module_is_made(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r'a type of attributes is written "package\.module:name"'):
        CommandModule("order", attributes=path)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("no_such_package:Order", "there is no 'no_such_package'"),
        (f"{__name__}:Order", "has no 'Order'"),
        (f"{__name__}:NeverReadAgain", r"attributes\.pin"),
    ],
)
def test_a_deployment_is_told_of_a_path_that_leads_to_no_type(path: str, problem: str) -> None:
    module = CommandModule("order", attributes=path)
    with pytest.raises(ConfigurationError, match=problem):
        _ = module.attributes
    settings = Settings(modules={"order": {}})
    (found,) = check({"order": module}, {}, settings)["problems"]
    assert found.startswith("module 'order': ")
