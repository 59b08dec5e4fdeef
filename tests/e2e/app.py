"""The stack of the end-to-end tests."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from constructs_lib import CqrsModule, CqrsStack, Processing

app = cdk.App()
x86 = app.node.try_get_context("architecture") == "x86_64"
CqrsStack(
    app,
    "EndToEnd",
    app_name="e2e",
    env_name="local",
    modules=[
        CqrsModule("note"),
        CqrsModule("memo", processing=Processing.INLINE),
        CqrsModule("task", data_sync=True),
    ],
    code=Path(__file__).parent / "service",
    environment={"STORE_FILE": app.node.get_context("store_file")},
    architecture=lambda_.Architecture.X86_64 if x86 else lambda_.Architecture.ARM_64,
    password_auth=True,
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
app.synth()
