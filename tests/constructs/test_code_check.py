from __future__ import annotations

import dataclasses
import io
import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from botocore.exceptions import EndpointConnectionError
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


def test_it_has_the_variables_of_the_others_but_not_what_starts_their_layers(stack: cdk.Stack) -> None:
    given = {"HTTPS_PROXY": "http://proxy.example.com:3128", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    shared = dataclasses.replace(DEFAULTS, environment=given)
    CodeCheck(stack, "CodeCheck", functions=functions(stack, defaults=shared), defaults=shared)
    made = Template.from_stack(stack).find_resources("AWS::Lambda::Function")
    (asking,) = (one for name, one in made.items() if name.startswith("CodeCheckAsking"))
    assert asking["Properties"]["Environment"]["Variables"] == {
        "CQRS_FUNCTION": "check",
        "HTTPS_PROXY": "http://proxy.example.com:3128",
    }


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


def test_it_waits_for_what_an_import_may_need(stack: cdk.Stack) -> None:
    isolated = ec2.SubnetConfiguration(name="own", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1, subnet_configuration=[isolated])
    other = ec2.Vpc(stack, "Other", max_azs=1, subnet_configuration=[isolated])
    made = functions(stack, vpc=vpc, notifier=imported_function(stack, "Mine"))
    CodeCheck(stack, "CodeCheck", functions=made)
    # All of this comes after the check, as it may in an app.
    for name, network in {"Near": vpc, "Far": other}.items():
        secrets = ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER
        network.add_interface_endpoint(name, service=secrets, open=False)
    vpc.add_gateway_endpoint("Tables", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
    database = ec2.Connections(
        security_groups=[ec2.SecurityGroup(stack, "Database", vpc=vpc)], default_port=ec2.Port.tcp(5432)
    )
    database.allow_default_port_from(made.worker)  # type: ignore[arg-type] - as every database has them
    subnet = vpc.isolated_subnets[0]
    assert isinstance(subnet, ec2.Subnet)
    subnet.add_route("ToOthers", router_type=ec2.RouterType.TRANSIT_GATEWAY, router_id="tgw-1")
    role = made.worker.role
    assert isinstance(role, iam.Role)
    stranger = iam.Role(stack, "Stranger", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    read = iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=["*"])
    iam.Policy(stack, "Inline", statements=[read], roles=[role])
    iam.ManagedPolicy(stack, "Managed", statements=[read], roles=[stranger, role])
    iam.Policy(stack, "Strangers", statements=[read], roles=[stranger])
    (check,) = checks(stack).values()
    waits = sorted(re.sub("[0-9A-F]{8}$", "", name) for name in check["DependsOn"])
    ingress = [name for name in waits if name.startswith("Databasefrom")]
    own = [name for name in waits if name.startswith("CodeCheckAsking")]
    assert len(ingress) == 1
    assert [name for name in waits if name not in {*ingress, *own}] == [
        "Inline",
        "Managed",
        "VpcNear",
        "VpcTables",
        "VpcownSubnet1ToOthers",
    ]


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


@pytest.mark.parametrize(
    "refusal",
    [
        "AccessDeniedException",
        "KMSAccessDeniedException",
        "ServiceException",
        "ResourceNotReadyException",
        "ENINotReadyException",
        "EC2AccessDeniedException",
    ],
)
def test_what_is_new_gets_the_time_that_it_needs(aws: Stubber, refusal: str) -> None:
    aws.add_client_error("invoke", refusal)
    aws.add_response("invoke", answer({"problems": []}))
    assert check_handler.ask("api") == []


def test_a_right_of_the_code_itself_gets_that_time_too(aws: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"errorType": "ClientError", "errorMessage": "AccessDeniedException ... GetSecretValue"}
    aws.add_response("invoke", answer(error, FunctionError="Unhandled"))
    aws.add_response("invoke", answer({"problems": []}))
    assert check_handler.ask("api") == []
    monkeypatch.setattr(check_handler, "PATIENCE", 0)
    aws.add_response("invoke", answer(error, FunctionError="Unhandled"))
    assert check_handler.ask("api") == ["ClientError: AccessDeniedException ... GetSecretValue"]


def test_a_connection_that_breaks_is_made_again(aws: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    client, broken = aws.client, iter([True, False])
    invoke = client.invoke

    def break_once(**call: Any) -> Any:
        if next(broken):
            raise EndpointConnectionError(endpoint_url="https://lambda")
        return invoke(**call)

    monkeypatch.setattr(client, "invoke", break_once)
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


def test_an_import_that_time_does_not_mend_is_told_at_once(aws: Stubber) -> None:
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
