"""The stack that `bench.latency` and `bench.noise` deploy."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from constructs_lib import CqrsModule, CqrsStack, Processing

app = cdk.App()
x86 = app.node.try_get_context("architecture") == "x86_64"
CqrsStack(
    app,
    "Bench",
    app_name="bench",
    env_name="local",
    modules=[
        CqrsModule("doc"),
        CqrsModule("memo", processing=Processing.INLINE),
        CqrsModule("task", data_sync=True),
    ],
    code=Path(__file__).parent / "service",
    architecture=lambda_.Architecture.X86_64 if x86 else lambda_.Architecture.ARM_64,
    password_auth=True,
    monitoring=False,
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
app.synth()
