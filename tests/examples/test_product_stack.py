"""The product's own CDK app, run as the CDK CLI runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.constructs.conftest import RECOMMENDED_FLAGS, SKIP_BUNDLING

APP = Path(__file__).parents[2] / "examples" / "product" / "app.py"


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("product")
    context = {**RECOMMENDED_FLAGS, **SKIP_BUNDLING, "database_url": "postgresql://db.example.com/product"}
    environment = {
        **os.environ,
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_VALIDATION": "false",  # slow; the tests of compliance do that
    }
    subprocess.run(  # noqa: S603 - our own app
        [sys.executable, str(APP)], cwd=folder, env=environment, check=True
    )
    found: dict[str, dict[str, Any]] = json.loads((folder / "Product.template.json").read_text())["Resources"]
    return found


def functions(resources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::Function"]
    ours = [one for one in found if "Layers" in one]  # those with the service's code
    return {one["Environment"]["Variables"]["CQRS_FUNCTION"]: one for one in ours}


def test_the_functions_find_the_app_and_the_database(resources: dict[str, dict[str, Any]]) -> None:
    found = functions(resources)
    assert {one["Handler"] for one in found.values()} == {"product.main.app"}
    assert len(found) == 5
    urls = {one["Environment"]["Variables"].get("DATABASE_URL") for one in found.values()}
    assert urls == {"postgresql://db.example.com/product"}


def test_only_the_api_and_operators_may_scan(resources: dict[str, dict[str, Any]]) -> None:
    scanning = [
        json.dumps(resource["Properties"]["Roles"])
        for resource in resources.values()
        if resource["Type"] == "AWS::IAM::Policy" and '"dynamodb:Scan"' in json.dumps(resource)
    ]
    roles = [json.dumps(functions(resources)[kind]["Role"]["Fn::GetAtt"][0]) for kind in ("api", "operator")]
    assert len(scanning) == len(roles)
    assert [role for role in roles if not any(role in policy for policy in scanning)] == []
