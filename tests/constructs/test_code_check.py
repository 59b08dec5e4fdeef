from __future__ import annotations

import io
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from botocore.response import StreamingBody
from botocore.stub import Stubber

from constructs_lib import CodeCheck, CqrsFunctions, FunctionDefaults, InvalidPropsError
from constructs_lib.functions import check_handler
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import CODE, imported_function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

KINDS = ("api", "stream", "worker", "notifier", "operator")
DEFAULTS = FunctionDefaults(python_runtime=lambda_.Runtime.PYTHON_3_13)


def functions(stack: cdk.Stack, **props: Any) -> CqrsFunctions:
    return CqrsFunctions(
        stack,
        "Functions",
        **{"code": CODE, "handler": "index.handler", "app_name": "shop", "defaults": DEFAULTS, **props},
    )


def checks(stack: cdk.Stack) -> dict[str, Any]:
    found: dict[str, Any] = Template.from_stack(stack).find_resources("Custom::CqrsCodeCheck")
    return found


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    CodeCheck(
        stack,
        "CodeCheck",
        functions=functions(stack, api=imported_function(stack, "Mine")),
        defaults=DEFAULTS,
    )
    template = stable(stack)
    own = {name: made for name, made in template["Resources"].items() if name.startswith("CodeCheck")}
    assert own == template_snapshot
    assert len(own) == 5
    (check,) = checks(stack).values()
    assert set(check["Properties"]["Functions"]) == set(KINDS) - {"api"}


def test_it_may_call_the_functions_that_were_made_and_do_nothing_else(stack: cdk.Stack) -> None:
    CodeCheck(stack, "CodeCheck", functions=functions(stack, worker=imported_function(stack, "Mine")))
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    (policy,) = (made for name, made in policies.items() if name.startswith("CodeCheck"))
    allowed = {
        json.dumps(one["Action"]): one["Resource"]
        for one in policy["Properties"]["PolicyDocument"]["Statement"]
    }
    called = allowed.pop('"lambda:InvokeFunction"')
    assert len(called) == 4
    assert all(one["Fn::GetAtt"][0].startswith("Functions") for one in called)
    assert set(allowed) == {
        '["logs:CreateLogStream", "logs:PutLogEvents"]',
        '["xray:PutTelemetryRecords", "xray:PutTraceSegments"]',
    }


def test_functions_that_were_all_brought_along_leave_nothing_to_check(stack: cdk.Stack) -> None:
    brought = {kind: imported_function(stack, kind) for kind in KINDS}
    with pytest.raises(InvalidPropsError, match="functions must have one that was made by"):
        CodeCheck(stack, "CodeCheck", functions=functions(stack, **brought))


def test_whatever_changes_a_function_makes_another_check(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()

    def check(*, code: lambda_.Code = CODE, late: str = "1", layered: str = "1", **props: Any) -> str:
        (layer / "one.py").write_text(layered, encoding="utf-8")
        stack = cdk.Stack(new_app(), "Test")
        version = lambda_.LayerVersion(stack, "Layer", code=lambda_.Code.from_asset(str(layer)))
        made = functions(stack, code=code, layers=[version], **props)
        CodeCheck(stack, "CodeCheck", functions=made)
        made.set_variable("LATE", late, made.worker)
        (logical_id,) = checks(stack)
        return str(logical_id)

    same = {check(), check()}
    others = [
        check(code=lambda_.Code.from_inline("pass")),
        check(late="2"),
        check(layered="2"),
    ]
    assert len(same) == 1
    assert len({*same, *others}) == 4


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Lambda, as the function that asks gets to see it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    client = boto3.client("lambda", "eu-west-1")
    monkeypatch.setattr(check_handler.boto3, "client", lambda *_, **__: client)
    monkeypatch.setattr(check_handler.time, "sleep", lambda _: None)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answer(found: Any, **more: Any) -> dict[str, Any]:
    return {"Payload": StreamingBody(io.BytesIO(json.dumps(found).encode()), None), **more}


def test_a_permission_that_is_new_gets_the_time_that_it_needs(aws: Stubber) -> None:
    aws.add_client_error("invoke", "AccessDeniedException")
    aws.add_response("invoke", answer({"problems": []}))
    assert check_handler.ask("api") == []


def test_a_permission_that_is_missing_is_told(aws: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_handler, "PATIENCE", 0)
    aws.add_client_error("invoke", "AccessDeniedException", "no identity-based policy")
    assert check_handler.ask("api") == ["AccessDeniedException: no identity-based policy"]


def test_a_function_without_capacity_says_nothing_of_its_code(
    aws: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_handler, "PATIENCE", 0)
    aws.add_client_error("invoke", "TooManyRequestsException")
    assert check_handler.ask("api") == []


@pytest.mark.parametrize("found", [None, "hello", {"statusCode": 200}])
def test_what_is_no_app_is_told_so(aws: Stubber, found: Any) -> None:
    aws.add_response("invoke", answer(found))
    assert check_handler.ask("api") == ["no answer to the operation 'check': the handler must be a CqrsApp"]


def test_an_import_that_fails_is_told_with_its_text(aws: Stubber) -> None:
    error = {"errorType": "KeyError", "errorMessage": "'DATABASE_URL'"}
    aws.add_response("invoke", answer(error, FunctionError="Unhandled"))
    assert check_handler.ask("api") == ["KeyError: 'DATABASE_URL'"]


@pytest.fixture
def told() -> Iterator[tuple[str, list[bytes]]]:
    """Where CloudFormation waits for the answer, and what it was sent."""
    bodies: list[bytes] = []

    class Waiting(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Waiting) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", bodies
        server.shutdown()


@pytest.mark.parametrize("letter", ["a", '"', "あ", "😀"])
def test_an_answer_is_as_long_as_cloudformation_takes_it(
    aws: Stubber, told: tuple[str, list[bytes]], letter: str
) -> None:
    error = {"errorType": "ImportError", "errorMessage": letter * 5000}
    aws.add_response("invoke", answer(error, FunctionError="Unhandled"))
    url, bodies = told
    ids = {"StackId": f"arn:{'s' * 400}", "RequestId": "r" * 36, "LogicalResourceId": "l" * 255}
    properties = {"Functions": {"api": "shop-api"}}
    event = {"RequestType": "Create", "ResponseURL": url, "ResourceProperties": properties, **ids}
    check_handler.handler(event, None)
    (body,) = bodies
    assert 3900 < len(body) <= 4000
    sent = json.loads(body)
    assert sent["Status"] == "FAILED"
    assert sent["Reason"].startswith(f"ImportError: {letter}")
    assert {name: sent[name] for name in ids} == ids


def test_code_that_fits_is_told(aws: Stubber, told: tuple[str, list[bytes]]) -> None:
    aws.add_response("invoke", answer({"problems": []}))
    url, bodies = told
    ids = {"StackId": "s", "RequestId": "r", "LogicalResourceId": "l"}
    properties = {"Functions": {"api": "shop-api"}}
    event = {"RequestType": "Create", "ResponseURL": url, "ResourceProperties": properties, **ids}
    check_handler.handler(event, None)
    assert json.loads(bodies[0]) == {
        "Status": "SUCCESS",
        "Reason": "the code fits the stack",
        "PhysicalResourceId": "l",
        **ids,
    }
