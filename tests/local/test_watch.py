"""What `watch` does with a change when files or AWS go away meanwhile."""

from __future__ import annotations

import shutil
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_

from constructs_lib.local.claim import Record
from constructs_lib.local.commands.watch import Watcher
from constructs_lib.local.running import RunningEmulator
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Instead of the CDK CLI: "deploys" the assembly that is there.
CLI = """#!/bin/sh
while [ "$1" != --output ]; do shift; done
mkdir -p "$2" && cp -R .assembly/. "$2"
"""


@pytest.fixture
def watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """One whose app is deployed, to an AWS that is gone by now."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (tmp_path / "service").mkdir()
    for name in ("main.py", "more.py"):
        (tmp_path / "service" / name).write_text(f"name = {name!r}")
    app = App(
        outdir=str(tmp_path / ".assembly"),
        context={"aws:cdk:enable-asset-metadata": True},
        builtin_cloud_formation_validation=False,
    )
    lambda_.Function(
        Stack(app, "Shop"),
        "Api",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="main.handler",
        code=lambda_.Code.from_asset(str(tmp_path / "service")),
    )
    app.synth()
    cdk = tmp_path / "node_modules" / ".bin" / "cdk"
    cdk.parent.mkdir(parents=True)
    cdk.write_text(CLI)
    cdk.chmod(0o700)
    (tmp_path / ".local-aws" / "run").mkdir(parents=True)
    aws = RunningEmulator(
        tmp_path / ".local-aws", Record(0, free_port(), "run", starter=0, kept=True, since=0.0)
    )
    made = Watcher(aws, Namespace(stacks=[], app="app.py", context=[]), [tmp_path])
    assert made.deploy()
    yield made
    shutil.rmtree(aws.run_folder)


def test_a_file_that_goes_while_others_are_served_is_deployed(
    watcher: Watcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # As when a checkout of another branch is noticed in two parts.
    (tmp_path / "service" / "more.py").unlink()
    watcher.take({tmp_path / "service" / "main.py"})

    deploying, deployed = capsys.readouterr().out.splitlines()
    assert deploying == "main.py: deploying"
    assert deployed.startswith("deployed in ")


def test_an_aws_that_is_gone_is_said_and_the_watch_goes_on(
    watcher: Watcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watcher.take({tmp_path / "service" / "main.py"})
    assert 'main.py: not served: Could not connect to the endpoint URL: "http://' in capsys.readouterr().out
    watcher.take({tmp_path / "app.py", tmp_path / "service"})
    assert capsys.readouterr().out == ""  # neither is a file

    (tmp_path / "app.py").touch()
    watcher.take({tmp_path / "app.py"})
    # It would give back what was not served.
    deploying, failed = capsys.readouterr().out.splitlines()
    assert deploying == "app.py: deploying"
    assert failed.startswith("not deployed: Could not connect to the endpoint URL")
