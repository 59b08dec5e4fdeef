"""How often the constructs call Node.js, which is what they add to the time of a synthesis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.constructs.conftest import RECOMMENDED_FLAGS, SKIP_BUNDLING

ROOT = Path(__file__).parents[2]
#: It makes 1,534; the rest is for what another version of the CDK asks back.
MOST_OF_THE_DEMO = 1600


def calls_of(app: Path, folder: Path) -> Counter[str]:
    environment = {
        **os.environ,
        "CDK_OUTDIR": str(folder / "out"),
        "CDK_CONTEXT_JSON": json.dumps({**RECOMMENDED_FLAGS, **SKIP_BUNDLING}),
        "CDK_VALIDATION": "false",  # the CDK's own, which takes seconds and calls nobody
    }
    command = [sys.executable, "-m", "bench.jsii_calls", str(app)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return Counter(json.loads(done.stdout))


def shown(calls: Counter[str]) -> str:
    most = "\n".join(f"{number:6} {construct}" for construct, number in calls.most_common(15))
    return f"{calls.total()} calls of Node.js, most of them by\n{most}"


@pytest.mark.newest
def test_the_demo_calls_node_no_more_than_it_must(tmp_path: Path) -> None:
    calls = calls_of(ROOT / "app.py", tmp_path)
    assert calls["CqrsFunction"]  # who calls is told
    assert calls.total() <= MOST_OF_THE_DEMO, shown(calls)
