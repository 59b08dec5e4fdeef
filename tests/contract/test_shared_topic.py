"""Two services share a topic: the queue of each receives its own messages, by the filter that is deployed."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk.assertions import Template

from constructs_lib import Notifications
from runtime import Settings
from tests.constructs.conftest import new_app
from tests.support.service import TestResources

if TYPE_CHECKING:
    import pytest

    from constructs_lib.local import Emulator


def deployed_filters() -> list[str]:
    """Those of the first service, which has the shared queue, and of the second one."""
    app = new_app()
    base, other = cdk.Stack(app, "Base"), cdk.Stack(app, "Other")
    shared = Notifications(base, "Notifications", alarm_emails=["on-call@example.com"])
    assert shared.for_service(base, "A", service="prod-a") is shared
    assert shared.for_service(base, "A", service="prod-a") is shared
    assert shared.for_service(other, "B", service="prod-b").topic is shared.topic
    return [
        json.dumps(subscription["Properties"]["FilterPolicy"])
        for stack in (base, other)
        for subscription in Template.from_stack(stack).find_resources("AWS::SNS::Subscription").values()
        if subscription["Properties"]["Protocol"] == "sqs"
    ]


def test_services_that_share_a_topic_get_their_own_messages(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    sns, sqs = emulator.client("sns"), emulator.client("sqs")
    topic = sns.create_topic(Name=f"t{uuid.uuid4().hex}")["TopicArn"]
    urls = []
    for policy in deployed_filters():
        url = sqs.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        given = {"RawMessageDelivery": "true", "FilterPolicy": policy}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue["QueueArn"], Attributes=given)
        urls.append(url)

    def publish(**service: str) -> None:
        endpoint = {"SNS_ENDPOINT": emulator.endpoint_url, "SNS_REGION": emulator.region}
        settings = Settings.from_environment({**endpoint, "SNS_TOPIC_ARN": topic, **service})
        message = {"action": "command-status", "id": service.get("APP_NAME")}
        TestResources(emulator, settings).sns.publish(message)

    def received(url: str) -> list[Any]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return sorted((json.loads(message["Body"])["id"] for message in messages), key=str)

    publish(NODE_ENV="prod", APP_NAME="a")
    publish(NODE_ENV="prod", APP_NAME="b")
    publish()  # of another framework, say
    assert [received(url) for url in urls] == [[None, "a"], ["b"]]
