"""Deploys the example `product`. Context (`-c name=value`) is below; see README.md."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from constructs_lib import CqrsModule, CqrsStack, Processing

HERE = Path(__file__).parent

app = cdk.App()
throwaway = str(app.node.try_get_context("throwaway")).lower() == "true"  # delete the data with the stack
alarm_email = app.node.try_get_context("alarm_email")  # who is told when a command fails
database_url = app.node.try_get_context("database_url")  # of the SQL database
x86 = app.node.try_get_context("architecture") == "x86_64"

stack = CqrsStack(
    app,
    "Product",
    app_name="product",
    env_name=app.node.try_get_context("env_name") or "dev",
    modules=[
        CqrsModule("product", data_sync=True),
        CqrsModule("order", processing=Processing.INLINE),  # it has no handlers, so it needs no workflow
    ],
    sequences=True,
    tenants=True,
    master=True,
    code=HERE / "service",
    handler="product.main.app",
    dependencies=HERE / "requirements.txt",
    environment={"DATABASE_URL": database_url} if database_url else None,
    alarm_emails=[alarm_email] if alarm_email else [],
    architecture=lambda_.Architecture.X86_64 if x86 else lambda_.Architecture.ARM_64,
    password_auth=throwaway,  # so that curl can sign in
    removal_policy=cdk.RemovalPolicy.DESTROY if throwaway else cdk.RemovalPolicy.RETAIN,
)
# PUT /products/resync scans the data table, and moves the handlers' cursors.
stack.tables["product"].grants.replay(stack.functions.api)
app.synth()
