"""Names and ARNs of what exists elsewhere: whether AWS could have given them."""

from __future__ import annotations

from typing import Final

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_pattern
from constructs_lib.props.lookups import is_stand_in

__all__ = [
    "check_bucket_name",
    "check_key_arn",
    "check_state_machine_arn",
    "check_stream_arn",
    "check_table_name",
    "check_topic_arn",
    "check_user_pool_id",
]

_ARN: Final = "arn:aws[a-z-]*"
_ACCOUNT: Final = "[0-9]{12}"
_REGION: Final = "[a-z0-9-]+"
_TABLE: Final = "[A-Za-z0-9_.-]"


def check_table_name(name: str, value: str | None, *, hint: str = "give the name, not the ARN") -> None:
    """Refuse what cannot be the name of a table."""
    check_pattern(name, value, f"{_TABLE}{{3,255}}", hint=hint)


def check_stream_arn(name: str, value: str | None, *, suffix: str = "") -> None:
    """Refuse what cannot be the ARN of the stream of a table whose name ends in ``suffix``."""
    pattern = f"{_ARN}:dynamodb:{_REGION}:{_ACCOUNT}:table/{_TABLE}+{suffix}/stream/[^/]+"
    check_pattern(name, value, pattern, hint="'aws dynamodb describe-table' calls it LatestStreamArn")


def check_bucket_name(name: str, value: str | None) -> None:
    """Refuse what cannot be the name of a bucket."""
    _refuse_stand_in(name, value, "any-bucket")
    check_pattern(name, value, "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", hint="give the name, not the ARN")


def check_key_arn(name: str, value: str | None) -> None:
    """Refuse what cannot be the ARN of a customer managed key."""
    _refuse_stand_in(name, value, "arn:aws:kms:eu-west-1:111111111111:key/any")
    pattern = f"{_ARN}:kms:{_REGION}:{_ACCOUNT}:key/[A-Za-z0-9-]+"
    check_pattern(name, value, pattern, hint="give the ARN of the key itself, not of an alias")


def check_topic_arn(name: str, value: str) -> None:
    """Refuse what cannot be the ARN of a topic."""
    _refuse_stand_in(name, value, "arn:aws:sns:eu-west-1:111111111111:any")
    pattern = f"{_ARN}:sns:{_REGION}:{_ACCOUNT}:[A-Za-z0-9_.-]+"
    check_pattern(
        name, value, pattern, hint="give the ARN, such as 'arn:aws:sns:eu-west-1:111111111111:shop'"
    )


def check_state_machine_arn(name: str, value: str) -> None:
    """Refuse what cannot be the ARN of a state machine."""
    _refuse_stand_in(name, value, "arn:aws:states:eu-west-1:111111111111:stateMachine:any")
    pattern = f"{_ARN}:states:{_REGION}:{_ACCOUNT}:stateMachine:[^:]+"
    check_pattern(name, value, pattern, hint="give the ARN of the state machine itself, without a version")


def check_user_pool_id(name: str, value: str | None) -> None:
    """Refuse what cannot be the id of a user pool."""
    check_pattern(name, value, f"{_REGION}_[A-Za-z0-9]+", hint="give the id, such as 'eu-west-1_AbCdEf123'")


def _refuse_stand_in(name: str, value: str | None, example: str) -> None:
    """Refuse what CDK, which takes the value apart, would not take before it is looked up."""
    if is_stand_in(value):
        msg = (
            f"{name} must have its form before it is looked up, too, got {value!r}; "
            f"give value_from_lookup default_value={example!r}"
        )
        raise InvalidPropsError(msg)
