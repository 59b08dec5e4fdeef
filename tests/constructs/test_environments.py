"""What is of another account or Region than what uses it, in one stack as well."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from constructs_lib import InvalidPropsError
from constructs_lib.props.environments import check_environment

HERE = cdk.Environment(account="111122223333", region="eu-west-1")
THEIRS = "arn:aws:lambda:eu-west-1:444455556666:function:theirs"


def test_what_one_stack_makes_is_in_one_place(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Known", env=HERE)
    check_environment("queue", sqs.Queue(stack, "Queue"), stack)


def test_who_uses_it_may_be_of_another_account_in_the_same_stack(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Known", env=HERE)
    function = lambda_.Function.from_function_arn(stack, "Theirs", THEIRS)
    with pytest.raises(InvalidPropsError, match="444455556666/eu-west-1, got Known/Queue in 111122223333"):
        check_environment("queue", sqs.Queue(stack, "Queue"), function)


def test_what_is_used_may_be_of_another_account_in_the_same_stack(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Known", env=HERE)
    function = lambda_.Function.from_function_arn(stack, "Theirs", THEIRS)
    with pytest.raises(InvalidPropsError, match="111122223333/eu-west-1, got Known/Theirs in 444455556666"):
        check_environment("function", function, stack)
