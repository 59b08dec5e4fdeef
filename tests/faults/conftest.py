from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.scale import COMPLETE
from tests.faults.site import Site, remove_tables
from tests.faults.zygote import Zygote
from tests.runtime.conftest import credentials, make_service, service
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from constructs_lib.local import Emulator
    from tests.faults.site import Process

#: Its deployments take minutes.
collect_ignore = [] if COMPLETE else ["test_deployments.py"]

__all__ = ["credentials", "make_service", "service"]


@pytest.fixture(autouse=True)
def later() -> Iterator[None]:
    """The clock of the runtime can be put forward."""
    with CLOCK:
        yield


@pytest.fixture
def open_site(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Process]]:
    """Deploys a module, with two handlers unless it is told otherwise, and opens a process of it."""
    # On a busy machine notifications are slow, and would be left out: then no two lives were the same.
    monkeypatch.setattr("runtime.clients.patience._SLOW", 60.0)
    monkeypatch.setattr("runtime.clients.notifications._WAIT", 60.0)
    made: list[Process] = []

    def open_site(*, handlers: bool = True, **options: Any) -> Process:
        process = Site.make(emulator, folder=tmp_path if handlers else None, **options).open()
        made.append(process)
        return process

    yield open_site
    for process in made:
        for reference in process.service.module.handlers:
            reference.handler.close()  # type: ignore[attr-defined]
        remove_tables(emulator, process.site)


@pytest.fixture(scope="module")
def zygote(emulator: Emulator) -> Iterator[Zygote]:
    with Zygote(emulator.environment) as running:
        yield running
