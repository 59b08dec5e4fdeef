"""A deployment whose code does not fit its stack fails, says why, and is rolled back: on the emulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from botocore.exceptions import ClientError

from constructs_lib import CodeCheck, CqrsFunctions
from tests.constructs.functions import imported_function
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

NAME = "CodeChecked"
FITS = "def handler(event, context): return {'problems': [], 'asked': event}"
MISFITS = "def handler(event, context): return {'problems': ['module x is missing']}"
FAILS = "raise LookupError('DATABASE_URL is not set')"
OTHER = "def handler(event, context): return {'problems': [], 'release': 2}"


def template(code: str) -> str:
    stack = cdk.Stack(
        cdk.App(builtin_cloud_formation_validation=False), NAME, synthesizer=cdk.BootstraplessSynthesizer()
    )
    functions = CqrsFunctions(
        stack,
        "Functions",
        code=lambda_.Code.from_inline(code),
        handler="index.handler",
        app_name="checked",
        # Nobody asks these, which are not there.
        **{kind: imported_function(stack, kind) for kind in ("stream", "worker", "notifier")},
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    CodeCheck(stack, "CodeCheck", functions=functions)
    cdk.CfnOutput(stack, "Operator", value=functions.operator.function_name)
    return json.dumps(Template.from_stack(stack).to_json())


class Stack:
    """The stack, as CloudFormation sees it."""

    def __init__(self, emulator: Emulator) -> None:
        self.client = emulator.client("cloudformation")
        self.functions = emulator.client("lambda")

    def deploy(self, code: str, *, first: bool = False) -> str:
        """The status that a deployment ends with."""
        call = self.client.create_stack if first else self.client.update_stack
        call(StackName=NAME, TemplateBody=template(code), Capabilities=["CAPABILITY_IAM"])
        return self.ended()

    def ended(self) -> str:
        def look() -> str | None:
            status: str = self.client.describe_stacks(StackName=NAME)["Stacks"][0]["StackStatus"]
            return None if status.endswith("_PROGRESS") else status

        found = wait_until(look, seconds=60)
        assert found
        return found

    def delete(self) -> None:
        self.client.delete_stack(StackName=NAME)

        def gone() -> bool:
            try:
                (stack,) = self.client.describe_stacks(StackName=NAME)["Stacks"]
            except ClientError:
                return True
            assert stack["StackStatus"] != "DELETE_FAILED"
            return False

        wait_until(gone, seconds=30)

    def reason(self) -> str:
        """Why the last check failed, as whoever deploys gets to read it."""
        events = self.client.describe_stack_events(StackName=NAME)["StackEvents"]
        return next(
            event["ResourceStatusReason"]
            for event in events
            if event["ResourceType"] == "Custom::CqrsCodeCheck" and event["ResourceStatus"].endswith("FAILED")
        )

    def answer(self) -> Any:
        """What the deployed code answers."""
        (output,) = self.client.describe_stacks(StackName=NAME)["Stacks"][0]["Outputs"]
        answer = self.functions.invoke(FunctionName=output["OutputValue"], Payload=b'{"operation": "check"}')
        return json.loads(answer["Payload"].read())


def test_a_deployment_ends_as_its_code_fits(strict_emulator: Emulator) -> None:
    stack = Stack(strict_emulator)
    # The first one: nothing of it is left, and it took seconds.
    assert stack.deploy(FAILS, first=True) == "ROLLBACK_COMPLETE"
    assert "LookupError: DATABASE_URL is not set (says api, operator)" in stack.reason()
    stack.delete()
    assert stack.deploy(FITS, first=True) == "CREATE_COMPLETE"
    assert stack.answer() == {"problems": [], "asked": {"operation": "check"}}
    # The rollback is not checked, and the code of before answers.
    assert stack.deploy(MISFITS) == "UPDATE_ROLLBACK_COMPLETE"
    assert "module x is missing (says api, operator)" in stack.reason()
    assert stack.answer()["asked"] == {"operation": "check"}
    assert stack.deploy(OTHER) == "UPDATE_COMPLETE"
    assert stack.answer() == {"problems": [], "release": 2}
    stack.delete()
