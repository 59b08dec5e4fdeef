"""The stack that `bench.noise` deploys."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from constructs_lib import CqrsModule, CqrsStack

app = cdk.App()
x86 = app.node.try_get_context("architecture") == "x86_64"
CqrsStack(
    app,
    "Noise",
    app_name="noise",
    env_name="local",
    modules=[CqrsModule("doc")],
    code=Path(__file__).parent / "noise_service",
    architecture=lambda_.Architecture.X86_64 if x86 else lambda_.Architecture.ARM_64,
    password_auth=True,
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
app.synth()
