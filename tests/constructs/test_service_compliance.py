"""The whole service against CloudFormation's own rules and five rule packs; nothing may be open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)

from constructs_lib import CqrsModule, CqrsStack, EventModule, Processing, WorkflowType
from tests.constructs.conftest import RECOMMENDED_FLAGS, SKIP_BUNDLING, warnings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def service(
    folder: Path,
    *,
    flags: bool = True,
    everything: bool = False,
    events_alone: bool = False,
    tracing: bool = True,
) -> CqrsStack:
    (folder / "main.py").write_text("app = None\n", encoding="utf-8")
    context = {**(RECOMMENDED_FLAGS if flags else {}), **SKIP_BUNDLING}
    if hasattr(cdk, "Acknowledgment"):
        app = cdk.App(context=context, builtin_cloud_formation_validation=True)
        cdk.Validations.of(app).add_plugins(
            AwsSolutionsChecks(app, verbose=True), ServerlessChecks(app, verbose=True)
        )
    else:  # the oldest CDK, with cdk-nag 2: its findings are errors among the messages
        app = cdk.App(context=context)
        for pack in (AwsSolutionsChecks, ServerlessChecks):
            cdk.Aspects.of(app).add(pack(verbose=True, reports=False))
    modules: list[CqrsModule | EventModule] = [CqrsModule("order")]
    env, key = None, None
    if everything and flags:
        # These packs ask for a key of one's own wherever there can be one; without the flags CDK warns
        # of any reference between stacks.
        env = cdk.Environment(account="111122223333", region="eu-west-1")
        cdk.Validations.of(app).add_plugins(
            HIPAASecurityChecks(app, verbose=True),
            NIST80053R5Checks(app, verbose=True),
            PCIDSS321Checks(app, verbose=True),
        )
        key = kms.Key(cdk.Stack(app, "Keys", env=env), "Key", enable_key_rotation=True)
        modules = [
            CqrsModule("order", data_sync=True),
            CqrsModule("note", processing=Processing.INLINE),
            EventModule("blog", handlers=True, pull_index=True),
        ]
    if events_alone:
        modules = [EventModule("blog", handlers=True)]
    stack = CqrsStack(
        app,
        "Shop",
        app_name="shop",
        python_runtime=lambda_.Runtime.PYTHON_3_13,  # not the latest: a finding
        modules=modules,
        code=folder,
        alarm_emails=["on-call@example.com"],
        encryption_key=key,
        env=env,
        master=everything,
        tenants=everything,
        sequences=everything,
        realtime=everything,
        tracing=tracing,
        tenant_sessions=everything,
        vpc=their_vpc(app) if everything else None,
        workflow_type=WorkflowType.EXPRESS if everything else WorkflowType.STANDARD,
        cors_origins=["https://shop.example.com"] if everything else [],
    )
    if everything:
        stack.api.add_public_route("/health")
    return stack


def their_vpc(app: cdk.App) -> ec2.IVpc:
    """A VPC of another team, with private subnets."""
    network = cdk.Stack(app, "Network")
    cdk.CfnWaitConditionHandle(network, "Nothing")  # a template without resources is a finding
    return ec2.Vpc.from_vpc_attributes(
        network,
        "Vpc",
        vpc_id="vpc-0a1b2c3d",
        availability_zones=["eu-west-1a", "eu-west-1b"],
        private_subnet_ids=["subnet-0a1b2c3d", "subnet-1a2b3c4d"],
        private_subnet_route_table_ids=["rtb-0a1b2c3d", "rtb-1a2b3c4d"],
    )


@pytest.mark.parametrize("flags", [True, False], ids=["recommended flags", "no flags"])
@pytest.mark.parametrize("everything", [False, True], ids=["minimal", "everything"])
def test_the_service_has_no_open_finding_and_no_warning(
    tmp_path: Path, *, flags: bool, everything: bool
) -> None:
    assert findings(service(tmp_path, flags=flags, everything=everything)) == []


def test_a_service_of_events_alone_has_none_either(tmp_path: Path) -> None:
    assert findings(service(tmp_path, events_alone=True)) == []


def test_a_service_that_is_not_traced_has_none_either(tmp_path: Path) -> None:
    assert findings(service(tmp_path, tracing=False)) == []


def findings(stack: CqrsStack) -> list[str]:
    errors = [
        str(message.entry.data)
        for message in cdk.App.of(stack).synth().get_stack_by_name(stack.stack_name).messages
        if message.level is cdk.cx_api.SynthesisMessageLevel.ERROR
    ]
    return warnings_of(stack) + errors


@pytest.mark.newest
@pytest.mark.parametrize("tracing", [True, False])
def test_without_the_acknowledgements_the_rule_packs_find_what_they_are_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, tracing: bool
) -> None:
    """The packs do run, and each acknowledgement answers a finding that they have."""
    acknowledged: set[str] = set()
    nothing: Callable[..., None] = lambda construct, reason, *ids: acknowledged.update(ids)  # noqa: ARG005, E731
    for module in (
        "api.cqrs_api",
        "functions.tenant_sessions",
        "api.identity",
        "messaging.notifications",
        "tables.attributes_bucket",
        "pipeline.failed_records",
        "pipeline.healing",
        "pipeline.command_workflow",
        "pipeline.command_workflow_role",
    ):
        monkeypatch.setattr(f"constructs_lib.{module}.acknowledge", nothing)
    nothing_of_all: Callable[..., None] = lambda _construct, findings: acknowledged.update(*findings.values())  # noqa: E731
    monkeypatch.setattr("constructs_lib.functions.cqrs_function.acknowledge_all", nothing_of_all)
    app = service(tmp_path, everything=True, tracing=tracing).node.root
    assert isinstance(app, cdk.App)
    with pytest.raises(RuntimeError) as caught:
        app.synth()
    report = str(caught.value) + capfd.readouterr().err
    assert [finding for finding in acknowledged if finding not in report] == []
