from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from constructs_lib.local import CdkCli, CdkFailedError
from constructs_lib.local.cdk import host_architecture

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.local import Emulator

APP = """
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
    app.synth()
"""


def test_a_stack_is_deployed_and_destroyed_by_the_real_cli(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    lines: list[str] = []
    # The CLI is the project's: the app's folder has none of its own.
    cdk = CdkCli(emulator, app=str(tmp_path / "app.py"), on_line=lines.append)
    dynamodb = emulator.client("dynamodb")

    cdk.bootstrap()
    assert cdk.diff("Tiny")
    outputs = cdk.deploy("Tiny")

    name = outputs["Tiny"]["TableName"]
    assert outputs["Tiny"]["Architecture"] == host_architecture()
    assert dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
    assert any("CREATE_COMPLETE" in line for line in lines)

    assert not cdk.diff("Tiny")

    cdk.destroy()

    assert name not in dynamodb.list_tables()["TableNames"]


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
