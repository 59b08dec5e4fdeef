"""The app at the top of the project, run as the CDK CLI runs it: `examples/todo` in a stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.apps import Synthesize

ROOT = Path(__file__).parent.parent.parent
DATABASE_URL = "postgresql://db.example.com/todo"
CHOICES = {
    "throwaway": "true",
    "env_name": "stg",
    "architecture": "x86_64",
    "database_url": DATABASE_URL,
    "alarm_email": "on-call@example.com",
}


@dataclass(frozen=True)
class Synthesized:
    template: dict[str, Any]
    messages: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [r for r in self.template["Resources"].values() if r["Type"] == kind]

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        found = [function["Properties"] for function in self.of("AWS::Lambda::Function")]
        found = [function for function in found if "Layers" in function]  # those with the service's code
        return {function["Environment"]["Variables"]["CQRS_FUNCTION"]: function for function in found}

    @property
    def tables(self) -> list[dict[str, Any]]:
        return self.of("AWS::DynamoDB::GlobalTable")


def read(folder: Path) -> Synthesized:
    template = json.loads((folder / "Todo.template.json").read_text(encoding="utf-8"))
    messages = " ".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*a*.json")))
    return Synthesized(template, messages)


@pytest.fixture(scope="module")
def default(synthesize: Synthesize) -> Synthesized:
    return read(synthesize("app.py"))


@pytest.fixture(scope="module")
def chosen(synthesize: Synthesize) -> Synthesized:
    return read(synthesize("app.py", **CHOICES))


def test_nothing_needs_an_explanation(default: Synthesized, chosen: Synthesized) -> None:
    for synthesized in (default, chosen):
        assert "aws:cdk:" in synthesized.messages
        assert "aws:cdk:warning" not in synthesized.messages
        assert "aws:cdk:error" not in synthesized.messages


def test_by_default_the_data_outlives_the_stack(default: Synthesized) -> None:
    assert {table["DeletionPolicy"] for table in default.tables} == {"Retain"}
    assert {table["Properties"]["TableName"] for table in default.tables} == {
        "dev-todo-session",
        "dev-todo-todo-command",
        "dev-todo-todo-data",
        "dev-todo-todo-history",
        "dev-todo-todo-sync",
    }
    assert {f["Architectures"][0] for f in default.functions.values()} == {"arm64"}
    assert "ALLOW_USER_PASSWORD_AUTH" not in json.dumps(default.template)


def test_a_throwaway_deletes_its_data_and_takes_passwords(chosen: Synthesized) -> None:
    assert {table["DeletionPolicy"] for table in chosen.tables} == {"Delete"}
    assert "ALLOW_USER_PASSWORD_AUTH" in json.dumps(chosen.template)


def test_context_chooses_stage_processor_database_and_address(chosen: Synthesized) -> None:
    assert {f["Architectures"][0] for f in chosen.functions.values()} == {"x86_64"}
    variables = {kind: f["Environment"]["Variables"] for kind, f in chosen.functions.items()}
    assert {v["NODE_ENV"] for v in variables.values()} == {"stg"}
    assert {v.get("DATABASE_URL") for v in variables.values()} == {DATABASE_URL}
    assert "on-call@example.com" in json.dumps(chosen.of("AWS::SNS::Subscription"))


def test_every_function_carries_the_packages_of_the_code_that_it_imports(default: Synthesized) -> None:
    assert {len(function["Layers"]) for function in default.functions.values()} == {2}


def test_the_cli_runs_this_app() -> None:
    assert json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["app"] == "python3 app.py"
