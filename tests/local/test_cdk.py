from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.local import CdkCli, CdkFailedError, ensure_venv
from constructs_lib.local.cdk import host_architecture
from constructs_lib.local.program import main
from constructs_lib.local.running import find_running
from tests.support.emulator import FOLDER

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

ROOT = Path(__file__).parents[2]

APP = """
    import os
    import shutil

    if os.path.exists("synthesized"):  # once is enough: it takes seconds
        shutil.copytree("synthesized", os.environ["CDK_OUTDIR"], dirs_exist_ok=True)
        raise SystemExit

    from aws_cdk import App, CfnOutput, RemovalPolicy, Stack
    from aws_cdk import aws_dynamodb as dynamodb

    app = App(builtin_cloud_formation_validation=False)  # which takes seconds
    stack = Stack(app, "Tiny")
    table = dynamodb.TableV2(
        stack,
        "Table",
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        removal_policy=RemovalPolicy.DESTROY,
    )
    CfnOutput(stack, "TableName", value=table.table_name)
    CfnOutput(stack, "Architecture", value=app.node.get_context("architecture"))
    shutil.copytree(app.synth().directory, "synthesized")
"""


def test_a_stack_is_deployed_by_the_real_cli_to_what_runs_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    installed = ensure_venv(FOLDER).parents[1]
    (tmp_path / ".local-aws").mkdir()
    (tmp_path / ".local-aws" / installed.name).symlink_to(installed)
    monkeypatch.chdir(tmp_path)

    try:
        assert main(["up", "--keep"]) == 0
        emulator = find_running(tmp_path / ".local-aws")
        assert emulator
        cdk = CdkCli(emulator, folder=emulator.run_folder / "cdk")
        assert cdk.diff("Tiny")
        capsys.readouterr()

        assert main(["deploy", "Tiny", "--keep"]) == 0
        said = capsys.readouterr().out
        name = re.findall(r"^Tiny\.TableName = (.*)$", said, re.MULTILINE)[0]
        assert f"Tiny.Architecture = {host_architecture()}" in said
        assert "CREATE_COMPLETE" in said
        assert "There is no HTTP API in what is deployed, so nothing to call." in said
        assert "It stays: `python -m constructs_lib.local down` ends it." in said
        dynamodb = emulator.client("dynamodb")
        assert dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
        assert main(["status"]) == 0
        assert "Tiny  CREATE_COMPLETE" in capsys.readouterr().out.splitlines()

        assert not cdk.diff("Tiny")
    finally:
        assert main(["down"]) == 0


def test_an_app_that_fails_is_said_in_one_line_with_the_output_beside(
    emulator: Emulator,
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit('Error: the app has a bug')")
    cdk = CdkCli(emulator, app=str(tmp_path / "app.py"))

    with pytest.raises(CdkFailedError, match="cdk diff failed"):
        cdk.diff()
    with pytest.raises(CdkFailedError) as failure:
        cdk.deploy()

    assert str(failure.value).startswith("cdk deploy failed with exit code 1: ")
    assert "\n" not in str(failure.value)
    assert any("the app has a bug" in line for line in failure.value.output)


@pytest.mark.parametrize("said", [None, "true"])
def test_templates_are_validated_where_the_environment_says_so(
    said: str | None, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if said is None:
        monkeypatch.delenv("CDK_VALIDATION", raising=False)
    else:
        monkeypatch.setenv("CDK_VALIDATION", said)
    app = "import os\nraise SystemExit('validate ' + os.environ['CDK_VALIDATION'])"
    (tmp_path / "app.py").write_text(app)
    with pytest.raises(CdkFailedError) as failure:
        CdkCli(emulator, app=str(tmp_path / "app.py")).diff()
    assert any(f"validate {said or 'false'}" in line for line in failure.value.output)
