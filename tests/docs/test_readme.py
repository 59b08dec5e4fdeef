"""The README's first example, pasted into an empty folder, with the project installed from its wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import uv

from constructs_lib.local.cdk import find_cdk

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two packages as the wheel has them."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    run([uv.find_uv_bin(), "pip", "install", "--no-deps", "--target", str(target), str(wheel)], folder)
    return target


def run(command: list[str], cwd: Path, **environment: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_first_example_synthesizes(installed: Path, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- first-example -->\n```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert block
    assert len(block[1].splitlines()) < 30
    (tmp_path / "app.py").write_text(block[1], encoding="utf-8")
    # The wheel comes first, so that neither the checkout nor the editable install is seen.
    search = os.pathsep.join([str(installed), sysconfig.get_path("purelib")])
    probe = "import constructs_lib, runtime; print(constructs_lib.__file__, runtime.__file__)"
    where = run([sys.executable, "-S", "-c", probe], tmp_path, PYTHONPATH=search)
    assert where.count(str(installed)) == 2
    output = run(
        [*find_cdk(ROOT), "synth", "--quiet", "--app", f"{sys.executable} -S app.py"],
        tmp_path,
        PYTHONPATH=search,
        CDK_DISABLE_CLI_TELEMETRY="true",
        CDK_VALIDATION="false",  # slow; the tests of compliance do that
        JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION="20",
    )
    assert "warning" not in output.lower(), output
    template = json.loads((tmp_path / "cdk.out" / "Shop.template.json").read_text(encoding="utf-8"))
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert {
        "AWS::DynamoDB::GlobalTable",
        "AWS::StepFunctions::StateMachine",
        "AWS::ApiGatewayV2::Api",
    } <= kinds


def test_the_example_of_a_test_passes(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- testing-example -->\n```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert block
    (tmp_path / "test_todo.py").write_text(block[1], encoding="utf-8")
    search = os.pathsep.join([str(ROOT / "examples" / "todo"), str(ROOT)])
    output = run([sys.executable, "-m", "pytest", "-q", "test_todo.py"], tmp_path, PYTHONPATH=search)
    assert "1 passed" in output


def test_the_example_of_events_holds() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- events-example -->\n```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert block
    names: dict[str, object] = {}
    exec(block[1], names)  # noqa: S102 - that is what it is for
    assert names["user"]
