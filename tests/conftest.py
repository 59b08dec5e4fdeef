"""Fixtures of every test, and in which order and in which process the tests run."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.faults.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Generator

pytest_plugins = ["tests.support.apps", "tests.support.emulator", "tests.support.stack"]

#: What takes long is begun first, so that in the end no process waits for another one.
_LONG: Final = ("e2e", "faults", "local", "examples", "docs", "constructs", "security")
#: What asks for something that takes long to make, and is made once for a process, by what that is:
#: the fixture `deployment`, and the templates of the examples' apps.
_TOGETHER: Final = {
    "deployed": ("tests/e2e/", "tests/faults/test_poison.py", "tests/faults/test_soak.py"),
    "apps": (
        "tests/examples/test_blog_stack.py",
        "tests/examples/test_product_stack.py",
        "tests/constructs/test_app.py",
        "tests/security/test_templates.py",
    ),
}

#: How many objects more there have to be for a look at the youngest, and how many looks for one at the older.
_SELDOM: Final = (100_000, 50, 1_000)

# How long an example takes says what else the machine does.
settings.register_profile(
    "project", deadline=None, max_examples=scaled(25, 100), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


class _ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Keeps each file in one process, and all that needs the deployed stack in the one that deploys it."""

    def _split_scope(self, nodeid: str) -> str:
        found = (scope for scope, files in _TOGETHER.items() if nodeid.startswith(files))
        return next(found, None) or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    """Let ``--dist loadfile`` know of the deployed stack."""
    return _ByFile(config, log) if config.option.dist == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage neither among modules and tests while they are found, nor later: they stay.

    And look for it more seldom than every 700 objects, which takes a tenth of the time of all tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_SELDOM)
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; snapshots are the templates that the newest CDK writes."""
    for item in items:
        if "snapshot" in getattr(item, "fixturenames", ()):
            item.add_marker("newest")
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return _LONG.index(folder) if folder in _LONG else len(_LONG)


@pytest.fixture
def in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code take itself for a deployed function, whose log has no texts of errors."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "the-function")
