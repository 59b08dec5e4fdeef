"""The stack of the end-to-end tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib import (
    CqrsFunctions,
    CqrsModule,
    CqrsStack,
    EventModule,
    Processing,
    RetainedData,
    WorkflowType,
)


class Payments(Construct):
    """What the feature `billing` needs: a queue, which the worker takes payments from."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.queue = sqs.Queue(self, "Queue", visibility_timeout=cdk.Duration.minutes(6))

    def connect(self, functions: CqrsFunctions) -> None:
        """Let the functions that run the feature's code use it."""
        worker = cast("lambda_.Function", functions.worker)
        worker.add_event_source(sources.SqsEventSource(self.queue, report_batch_item_failures=True))
        functions.add_feature("billing", {"queue": self.queue.queue_arn})


app = cdk.App(builtin_cloud_formation_validation=False)  # which takes seconds
x86 = app.node.try_get_context("architecture") == "x86_64"
is_switched = app.node.try_get_context("switched") == "true"
retained = app.node.try_get_context("retained")
stack = CqrsStack(
    app,
    "EndToEnd",
    app_name="e2e",
    env_name="local",
    modules=[
        CqrsModule("note", processing=Processing.INLINE if is_switched else Processing.WORKFLOW),
        CqrsModule("memo", processing=Processing.WORKFLOW if is_switched else Processing.INLINE),
        CqrsModule("task", data_sync=True),
        EventModule("library", handlers=True, pull_index=True, aggregates_index=True),
    ],
    code=Path(__file__).parent / "service",
    environment={"STORE_FILE": app.node.get_context("store_file")},
    architecture=lambda_.Architecture.X86_64 if x86 else lambda_.Architecture.ARM_64,
    password_auth=True,
    tenant_sessions=app.node.try_get_context("tenant_sessions") == "true",
    workflow_type=WorkflowType.EXPRESS if is_switched else WorkflowType.STANDARD,
    removal_policy=cdk.RemovalPolicy[app.node.try_get_context("removal") or "DESTROY"],
    retained=RetainedData(**json.loads(retained)) if retained else None,
)
dead_letters = sqs.Queue(stack, "DeadOrders", queue_name="e2e-dead-orders")
orders = sqs.Queue(
    stack,
    "Orders",
    queue_name="e2e-orders",
    visibility_timeout=cdk.Duration.minutes(6),
    dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=1),
)
worker = cast("lambda_.Function", stack.functions.worker)
worker.add_event_source(sources.SqsEventSource(orders, report_batch_item_failures=True))
stack.tables["note"].grants.publish(worker)
payments = Payments(stack, "Payments")
payments.connect(stack.functions)
cdk.CfnOutput(stack, "PaymentsQueueUrl", value=payments.queue.queue_url)

report = lambda_.Function(
    stack,
    "Report",
    code=lambda_.Code.from_asset(str(Path(__file__).parent / "service")),
    handler="report.handler",
    runtime=worker.runtime,
    architecture=worker.architecture,
    layers=stack.layers,
    timeout=cdk.Duration.seconds(30),
)
stack.tables["note"].connect(report, rights=["read"])
cdk.CfnOutput(stack, "ReportFunctionName", value=report.function_name)
app.synth()
