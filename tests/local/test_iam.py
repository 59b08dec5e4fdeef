"""IAM on the emulator: what a role's policy, or a bucket's, does not allow is refused, and written down."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.local import Emulator
from tests.support.emulator import FOLDER
from tests.support.functions import Function

if TYPE_CHECKING:
    from collections.abc import Iterator

TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
LIST = """
    import boto3
    from botocore.exceptions import ClientError

    def handler(bucket, context):
        try:
            boto3.client("s3").list_objects_v2(Bucket=bucket)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "listed"
"""
SEND = """
    import boto3
    from botocore.exceptions import ClientError

    def handler(url, context):
        entries = [{"Id": "1", "MessageBody": "hello"}]
        try:
            boto3.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "sent"
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Emulator]:
    with Emulator(folder=FOLDER, iam=True) as running:
        yield running


def make_bucket(emulator: Emulator) -> str:
    """A bucket as the constructs make it: only by TLS."""
    client, name = emulator.client("s3"), f"b-{uuid.uuid4().hex[:10]}"
    client.create_bucket(Bucket=name)
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    refuse = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:*", "Condition": plain}
    client.put_bucket_policy(Bucket=name, Policy=policy(refuse | {"Resource": f"arn:aws:s3:::{name}"}))
    return name


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_role(emulator: Emulator, action: str, resource: str) -> str:
    """A role that may do one thing to one resource."""
    client, role = emulator.client("iam"), f"r-{uuid.uuid4().hex[:10]}"
    arn: str = client.create_role(RoleName=role, AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": action, "Resource": resource}
    client.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=policy(may))
    return arn


def make_function(emulator: Emulator, bucket: str) -> Function:
    """A function that may list one bucket."""
    return Function(emulator, LIST, role=make_role(emulator, "s3:ListBucket", f"arn:aws:s3:::{bucket}"))


def send_batch(emulator: Emulator) -> Any:
    """What a function that may send a message is told when it sends a batch."""
    queue = f"q-{uuid.uuid4().hex[:10]}"
    url = emulator.client("sqs").create_queue(QueueName=queue)["QueueUrl"]
    arn = f"arn:aws:sqs:{emulator.region}:{emulator.account}:{queue}"
    return Function(emulator, SEND, role=make_role(emulator, "sqs:SendMessage", arn))(url)


def test_a_function_may_do_what_its_role_allows_and_nothing_else(guarded: Emulator) -> None:
    mine, other = make_bucket(guarded), make_bucket(guarded)
    function = make_function(guarded, mine)

    assert (function(mine), function(other)) == ("listed", "AccessDenied")

    seen = [(d["resource"], d["allowed"]) for d in guarded.iam_decisions() if d["action"] == "s3:ListBucket"]
    assert seen == [(f"arn:aws:s3:::{mine}", True), (f"arn:aws:s3:::{other}", False)]
    assert {d["principal"].split("/")[-1] for d in guarded.iam_decisions()} == {function.name}


def test_a_batch_takes_the_right_to_the_single_action(guarded: Emulator) -> None:
    assert send_batch(guarded) == "sent"


def test_nothing_is_enforced_unless_it_is_asked_for(emulator: Emulator) -> None:
    mine, other = make_bucket(emulator), make_bucket(emulator)

    assert make_function(emulator, mine)(other) == "listed"
    assert emulator.iam_decisions() == []


def test_gap_stock_refuses_what_asks_for_tls_and_batches() -> None:
    with Emulator(folder=FOLDER, iam=True, patches=False) as stock:
        mine = make_bucket(stock)

        assert make_function(stock, mine)(mine) == "AccessDenied"
        assert stock.iam_decisions() == []
        assert send_batch(stock) == "AccessDenied"
