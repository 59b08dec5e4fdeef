"""IAM on the emulator: what a role's policy, or a bucket's, does not allow is refused, and written down."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from constructs_lib.local import Emulator
from tests.support.emulator import FOLDER
from tests.support.functions import Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


#: Reads and writes where the partition key ends with the tenant of the session, or with `common`.
OWN = ["*#${aws:PrincipalTag/tenant}", "*#common"]
TABLE = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-owner",
            "KeySchema": [
                {"AttributeName": "owner", "KeyType": "HASH"},
                {"AttributeName": "pk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk", "owner")],
}


class Tenants:
    """A table and a bucket, and a role whose sessions reach what has the tag's tenant in its name."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.table, self.bucket = f"t-{uuid.uuid4().hex[:10]}", make_bucket(emulator)
        emulator.client("dynamodb").create_table(TableName=self.table, BillingMode="PAY_PER_REQUEST", **TABLE)
        iam, role = emulator.client("iam"), f"r-{uuid.uuid4().hex[:10]}"
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": emulator.account},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringLike": {"aws:RequestTag/tenant": "?*"}},
        }
        made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(trust))
        self.role: str = made["Role"]["Arn"]
        rows = {
            "Effect": "Allow",
            "Action": "dynamodb:*",
            "Resource": "*",
            "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": OWN},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        }
        folder = f"arn:aws:s3:::{self.bucket}/${{aws:PrincipalTag/tenant}}/*"
        objects = {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": folder}
        for name, statement in (("rows", rows), ("objects", objects)):
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy(statement))

    def client(self, service: str, tenant: str) -> Any:
        tags = [{"Key": "tenant", "Value": tenant}] if tenant else []
        answer = self._emulator.client("sts").assume_role(
            RoleArn=self.role, RoleSessionName="test", Tags=tags
        )
        found = answer["Credentials"]
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self._emulator.endpoint_url,
            region_name=self._emulator.region,
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"],
        )

    def calls(self, tenant: str, *partitions: str) -> dict[str, str]:
        """What becomes of calls in a session of a tenant that are about each of some partitions."""
        client, key = self.client("dynamodb", tenant), {"sk": {"S": "A"}}
        keys = [{"pk": {"S": pk}, **key} for pk in partitions]
        place = {"TableName": self.table}
        puts = [{"Put": place | {"Item": key}} for key in keys]
        checks = [{"ConditionCheck": place | {"Key": key, "ConditionExpression": "pk <> pk"}} for key in keys]
        query = place | {
            "KeyConditionExpression": "#p = :pk AND sk = :sk",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": {":pk": keys[-1]["pk"], ":sk": {"S": "A#common"}},
        }
        indexed = place | {
            "IndexName": "by-owner",
            "KeyConditionExpression": "owner = :owner AND pk = :pk",
            "ExpressionAttributeValues": {":owner": keys[-1]["pk"], ":pk": {"S": "A#acme"}},
        }
        batch = {self.table: [{"PutRequest": {"Item": key}} for key in keys]}
        attempts = {
            "put": lambda: client.put_item(**place, Item=keys[-1]),
            "get": lambda: client.get_item(**place, Key=keys[-1]),
            "update": lambda: client.update_item(**place, Key=keys[-1]),
            "delete": lambda: client.delete_item(**place, Key=keys[-1]),
            "query": lambda: client.query(**query),
            "index": lambda: client.query(**indexed),
            "batch get": lambda: client.batch_get_item(RequestItems={self.table: {"Keys": keys}}),
            "batch write": lambda: client.batch_write_item(RequestItems=batch),
            "transaction": lambda: client.transact_write_items(TransactItems=puts),
            "check": lambda: client.transact_write_items(TransactItems=checks),
            "scan": lambda: client.scan(**place),
        }
        return {name: outcome(attempt) for name, attempt in attempts.items()}


def outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


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


@pytest.fixture(scope="module")
def tenants(guarded: Emulator) -> Tenants:
    return Tenants(guarded)


def test_a_policy_goes_by_the_partition_keys_and_the_tags_of_a_session(tenants: Tenants) -> None:
    own = tenants.calls("acme", "A#common", "A#acme")
    assert {name for name, became in own.items() if became == "done"} == {*own} - {"scan", "check"}
    assert own["check"] == "TransactionCanceledException"  # allowed, and the condition does not hold

    refused = dict.fromkeys(own, "AccessDeniedException")
    for foreign in ("A#globex", "A#acmee", "A#acme#x", "acme", "A#ACME"):
        assert tenants.calls("acme", "A#acme", foreign) == refused


def test_a_session_without_the_tag_or_with_wildcards_reaches_nothing(tenants: Tenants) -> None:
    for tenant in ("*", "a?me"):
        calls = tenants.calls(tenant, "A#acme")
        assert calls == dict.fromkeys(calls, "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        tenants.client("dynamodb", "")


def test_a_resource_goes_by_the_tags_of_a_session(tenants: Tenants) -> None:
    client = tenants.client("s3", "acme")
    assert {
        folder: outcome(lambda folder=folder: client.put_object(Bucket=tenants.bucket, Key=f"{folder}/x"))  # type: ignore[misc]
        for folder in ("acme", "globex", "${aws:PrincipalTag")
    } == {"acme": "done", "globex": "AccessDenied", "${aws:PrincipalTag": "AccessDenied"}


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
        calls = Tenants(stock).calls("acme", "A#acme")
        assert calls == dict.fromkeys(calls, "AccessDeniedException")
