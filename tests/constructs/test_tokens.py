"""What is a token is told as the CDK tells it, and of what cannot be one without asking it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
import pytest

import constructs_lib
from constructs_lib.props import tokens
from constructs_lib.props.tokens import is_unresolved

VALUES: dict[str, Any] = {
    "a pseudo parameter": cdk.Aws.REGION,
    "a text around one": f"arn:{cdk.Aws.PARTITION}:s3:::name",
    "two of them": cdk.Aws.ACCOUNT_ID + cdk.Aws.REGION,
    "a number": cdk.Token.as_number({"Ref": "Size"}),
    "a list": cdk.Token.as_list({"Ref": "Names"}),
    "any value": cdk.Token.as_any({"Ref": "Value"}),
    "no token, though it begins like one": "${Token[",
    "no token, but its name": "Token[AWS.Region.4]",
    "a plain text": "eu-west-1",
    "an empty text": "",
    "zero": 0,
    "a fraction": 0.5,
    "a negative number": -1,
    "far below zero": -1.5e289,
    "a plain list": ["a", "b"],
    "nothing": None,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_token_is_what_the_cdk_says_is_one(value: Any) -> None:
    assert is_unresolved(value) is bool(cdk.Token.is_unresolved(value))


@pytest.mark.parametrize("value", ["eu-west-1", 3, 0.5])
def test_what_cannot_be_one_asks_nobody(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsii, "sinvoke", lambda *_, **__: pytest.fail("the CDK was asked"))
    assert not is_unresolved(value)


def test_nobody_else_asks_the_cdk() -> None:
    files = Path(constructs_lib.__file__).parent.rglob("*.py")
    asking = [file for file in files if "Token.is_unresolved(" in file.read_text(encoding="utf-8")]
    assert asking == [Path(tokens.__file__)]
