from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.target import Target, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator


@pytest.fixture(scope="session")
def target(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running(emulator, tmp_path_factory.mktemp("store") / "store.db") as found:
        yield found
