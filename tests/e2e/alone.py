"""The stack of a service whose modules are all of events."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from constructs_lib import CqrsStack, EventModule
from constructs_lib.functions import python_runtime

# The local AWS takes no snapshot, and runs functions with the Python of this machine: here it is about the
# alias, which is what the HTTP API calls.
python_runtime._WITHOUT_SNAPSHOTS = "none"  # type: ignore[misc]  # noqa: SLF001

app = cdk.App(builtin_cloud_formation_validation=False)  # which takes seconds
x86 = app.node.try_get_context("architecture") == "x86_64"
CqrsStack(
    app,
    "EventsAlone",
    app_name="alone",
    env_name="local",
    modules=[EventModule("library", handlers=True, aggregates_index=True)],
    code=Path(__file__).parent / "service",
    handler="alone.app",
    environment={"STORE_FILE": app.node.get_context("store_file")},
    architecture=lambda_.Architecture.X86_64 if x86 else lambda_.Architecture.ARM_64,
    password_auth=True,
    snap_start=True,
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
app.synth()
