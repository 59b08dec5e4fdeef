"""No secret is in what a deployment shows: templates, functions' variables, outputs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack, Processing
from constructs_lib.functions.function_environment import warn_of_passwords
from tests.constructs.conftest import new_app, warnings_of
from tests.support.apps import DATABASE
from tests.support.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.apps import Synthesize

#: By their context: what other tests synthesize, too, is made once.
APPS: dict[str, dict[str, str]] = {
    "app.py": {},
    "examples/product/app.py": {"database_url": DATABASE},
    "examples/blog/app.py": {"database_url": DATABASE},
}
URL = "postgresql://app:{}@db.example.com/shop"

SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|credential|private|api_?key")
SECRET_VALUE = re.compile(
    r"://[^/?#\s]*:[^/?#@\s]+@|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|^eyJ\w+\.eyJ"
)


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a template, with the way to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from strings(one, f"{path}/{name}")
    elif isinstance(value, list):
        for one in value:
            yield from strings(one, path)


def findings(template: dict[str, Any]) -> list[str]:
    """Where a template has a secret, or something that looks like one."""
    named = {
        path
        for kind, parts in (
            ("Outputs", template.get("Outputs", {})),
            *(
                (name, resource["Properties"]["Environment"]["Variables"])
                for name, resource in template["Resources"].items()
                if "Environment" in resource.get("Properties", {})
            ),
        )
        for path, value in ((f"{kind}/{name}", value) for name, value in parts.items())
        if SECRET_NAME.search(path.split("/")[-1]) and isinstance(value, str)
    }
    looking = {path for path, text in strings(template) if SECRET_VALUE.search(text)}
    return sorted(named | looking)


@pytest.fixture(scope="module")
def templates(synthesize: Synthesize, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Those of the examples, as their apps make them, and of a stack with all there is."""
    found = [Template.from_stack(stack(tmp_path_factory.mktemp("all"), everything=True)).to_json()]
    folders = [synthesize(app, **context) for app, context in APPS.items()]
    return [
        *found,
        *(json.loads(path.read_text()) for folder in folders for path in folder.glob("*.template.json")),
    ]


def stack(folder: Path, *, everything: bool = False, **environment: str) -> CqrsStack:
    (folder / "main.py").write_text("app = None\n", encoding="utf-8")
    modules = [CqrsModule("order", data_sync=everything)]
    if everything:
        modules.append(CqrsModule("note", processing=Processing.INLINE))
    return CqrsStack(
        new_app(),
        "Shop",
        app_name="shop",
        modules=modules,
        code=folder,
        environment=environment,
        alarm_emails=["on-call@example.com"],
        master_data=everything,
        realtime=everything,
    )


def test_the_template_holds_no_secret(templates: list[dict[str, Any]]) -> None:
    assert len(templates) == 1 + len(APPS)
    assert [findings(template) for template in templates] == [[]] * (1 + len(APPS))
    assert all(len(list(strings(template))) > 500 for template in templates)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", URL.format("geheim")),
        ("DATABASE_PASSWORD", "geheim"),
        ("KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("PEM", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_the_look_finds_what_it_is_for(variable: str, value: str) -> None:
    function = {"Properties": {"Environment": {"Variables": {variable: value, "APP_NAME": "shop"}}}}
    assert len(findings({"Resources": {"Function": function}})) == 1
    assert len(findings({"Resources": {}, "Outputs": {variable: value, "Url": {"Ref": "Api"}}})) == 1


def test_a_password_in_the_environment_is_warned_about(tmp_path: Path) -> None:
    secrets = Secrets()
    made = stack(tmp_path, DATABASE_URL=URL.format(secrets["password"]), MAIL="a@example.com")
    assembly = made.node.root.synth()  # type: ignore[attr-defined]
    found = [str(message.entry.data) for message in assembly.get_stack_by_name("Shop").messages]
    assert ["DATABASE_URL has a password in it" in text for text in found] == [True]
    assert secrets.found_in(found) == {}


@pytest.mark.parametrize(
    ("stage", "url", "warned"),
    [
        ("prod", URL.format("geheim"), True),
        ("dev", "redis://:geheim@cache.example.com", True),
        ("dev", "postgresql://db.example.com:5432/shop?user=app", False),
        ("dev", "https://example.com/a:b@c", False),
        ("local", URL.format("geheim"), False),
    ],
)
def test_which_urls_are_warned_about(*, stage: str, url: str, warned: bool) -> None:
    plain = cdk.Stack(new_app(), "Plain")
    warn_of_passwords(plain, {"DATABASE_URL": url}, stage)
    assert warnings_of(plain) == ["cqrs:plainPassword"] * warned


def test_a_secret_is_given_by_its_arn(tmp_path: Path) -> None:
    made = stack(tmp_path)
    secret = secretsmanager.Secret(made, "Database")
    made.functions.add_secret("DATABASE_SECRET", secret)
    template = Template.from_stack(made).to_json()
    assert findings(template) == []
    name = made.get_logical_id(secret.node.default_child)  # type: ignore[arg-type]
    variables = [
        resource["Properties"]["Environment"]["Variables"].get("DATABASE_SECRET")
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function" and "Layers" in resource["Properties"]
    ]
    assert sorted(map(str, variables)) == sorted(map(str, [{"Ref": name}] * 5))
