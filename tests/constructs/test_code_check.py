from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CodeCheck, CqrsFunctions, FunctionDefaults, InvalidPropsError
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import CODE, imported_function

if TYPE_CHECKING:
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
        check(environment={"URL": "x"}),
        check(late="2"),
        check(layered="2"),
        check(handler="other.handler"),
    ]
    assert len(same) == 1
    assert len({*same, *others}) == 6
