"""The project's own CDK apps, run as the CDK CLI runs them: each once for all tests of a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Synthesize = Callable[..., Path]

__all__ = ["DATABASE", "synthesize"]

ROOT = Path(__file__).parents[2]
#: What the examples' apps are given as the address of their database.
DATABASE = "postgresql://db.example.com/example"


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Runs an app, by its path in the project, with context values; the folder of what it has written.

    Whoever asks for the same again gets the same folder, and only reads it.
    """
    from tests.constructs.conftest import RECOMMENDED_FLAGS, SKIP_BUNDLING  # noqa: PLC0415 - most need no CDK

    made: dict[tuple[str, tuple[tuple[str, str], ...]], Path] = {}

    def synthesize(app: str, **context: str) -> Path:
        key = (app, tuple(sorted(context.items())))
        if key not in made:
            folder = tmp_path_factory.mktemp("app")
            environment = {
                **os.environ,
                "CDK_OUTDIR": str(folder),
                "CDK_CONTEXT_JSON": json.dumps({**RECOMMENDED_FLAGS, **SKIP_BUNDLING, **context}),
                "CDK_VALIDATION": "false",  # slow; the tests of compliance do that
            }
            command = [sys.executable, str(ROOT / app)]
            # That of the project is run in its folder, those of the examples must not care.
            cwd = ROOT if app == "app.py" else folder
            subprocess.run(command, cwd=cwd, env=environment, check=True)  # noqa: S603 - our own app
            made[key] = folder
        return made[key]

    return synthesize
