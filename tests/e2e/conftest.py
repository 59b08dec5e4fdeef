from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.local import CdkCli, Emulator
from tests.e2e.deployment import Deployment
from tests.support.emulator import FOLDER, WAIT_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """An emulator that enforces IAM: whatever a stack lacks a permission for fails here, too."""
    with Emulator(folder=FOLDER, wait_scale=WAIT_SCALE, iam=True) as running:
        yield running


@pytest.fixture(scope="session")
def deployment(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The stack of `app.py`, deployed by the CDK CLI, with a user who has signed in."""
    store = tmp_path_factory.mktemp("store") / "store.db"
    cli = CdkCli(
        emulator,
        app=str(Path(__file__).with_name("app.py")),
        context={"store_file": str(store)},
        on_line=print,
    )
    cli.bootstrap()
    outputs = cli.deploy()["EndToEnd"]
    return Deployment(emulator, outputs, store)
