"""Deploys the example service, `examples/todo`: `npx cdk deploy`. Context (`-c name=value`) is below."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from constructs_lib import CqrsStack, modules_of

EXAMPLE = Path(__file__).parent / "examples" / "todo"

app = cdk.App()
throwaway = str(app.node.try_get_context("throwaway")).lower() == "true"  # delete the data with the stack
alarm_email = app.node.try_get_context("alarm_email")  # who is told when a command fails
database_url = app.node.try_get_context("database_url")  # of the example's SQL database
x86 = app.node.try_get_context("architecture") == "x86_64"

stack = CqrsStack(
    app,
    "Todo",
    app_name="todo",
    env_name=app.node.try_get_context("env_name") or "dev",
    modules=modules_of(EXAMPLE),
    code=EXAMPLE,
    dependencies=EXAMPLE / "requirements.txt",
    environment={"DATABASE_URL": database_url} if database_url else None,
    alarm_emails=[alarm_email] if alarm_email else [],
    architecture=lambda_.Architecture.X86_64 if x86 else lambda_.Architecture.ARM_64,
    password_auth=throwaway,  # so that curl can sign in
    removal_policy=cdk.RemovalPolicy.DESTROY if throwaway else cdk.RemovalPolicy.RETAIN,
)
for warning in ("unreadAlarms", "destroyableTables", "destroyableBucket", "destroyableUsers"):
    cdk.Annotations.of(stack).acknowledge_warning(
        f"cqrs:{warning}", "an example: nobody is on call, its data is a sample"
    )
app.synth()
