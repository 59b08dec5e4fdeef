from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Match, Template

from constructs_lib import InvalidPropsError, Notifications
from tests.constructs.conftest import permissions, stable, warnings_of
from tests.constructs.functions import imported_function, new_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

EMAILS = ["on-call@example.com"]


def queue_properties(stack: cdk.Stack, name: str = "Queue") -> dict[str, Any]:
    queues = Template.from_stack(stack).find_resources("AWS::SQS::Queue")
    (found,) = (q for key, q in queues.items() if key.startswith(f"Notifications{name}"))
    properties: dict[str, Any] = found["Properties"]
    return properties


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    Notifications(stack, "Notifications", alarm_emails=EMAILS)
    assert stable(stack) == template_snapshot
    assert warnings_of(stack) == []


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    made = Notifications(
        stack,
        "Notifications",
        encryption_key=kms.Key(stack, "Key"),
        alarm_emails=EMAILS,
        alarm_subscriptions=[subscriptions.UrlSubscription("https://chat.example.com/hook")],
        max_receive_count=3,
        visibility_timeout=cdk.Duration.minutes(10),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    made.add_consumer(new_function(stack), batch_size=5, max_concurrency=2)
    assert stable(stack) == template_snapshot


def test_the_queue_gets_only_status_messages_as_they_are(stack: cdk.Stack) -> None:
    Notifications(stack, "Notifications", alarm_emails=EMAILS)
    Template.from_stack(stack).has_resource_properties(
        "AWS::SNS::Subscription",
        {
            "Protocol": "sqs",
            "RawMessageDelivery": True,
            "FilterPolicy": {"action": ["command-status", "task-status"]},
            "RedrivePolicy": Match.any_value(),
        },
    )


def test_alarms_reach_people(stack: cdk.Stack) -> None:
    Notifications(stack, "Notifications", alarm_emails=["a@example.com", "b@example.com"])
    emails = Template.from_stack(stack).find_resources(
        "AWS::SNS::Subscription", {"Properties": {"Protocol": "email"}}
    )
    assert {e["Properties"]["Endpoint"] for e in emails.values()} == {"a@example.com", "b@example.com"}
    assert all("AlarmTopic" in e["Properties"]["TopicArn"]["Ref"] for e in emails.values())


def test_alarms_that_nobody_reads_are_warned_about(stack: cdk.Stack) -> None:
    Notifications(stack, "Notifications")
    assert warnings_of(stack) == ["cqrs:unreadAlarms"]


def test_topics_and_queues_take_tls_only(stack: cdk.Stack) -> None:
    Notifications(stack, "Notifications", alarm_emails=EMAILS)
    for kind in ("AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"):
        policies = Template.from_stack(stack).find_resources(kind)
        assert len(policies) == 2
        for policy in policies.values():
            denied = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
            assert [s["Condition"] for s in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_everything_is_encrypted_and_cloudwatch_may_use_the_key(stack: cdk.Stack) -> None:
    Notifications(stack, "Notifications", alarm_emails=EMAILS)
    template = Template.from_stack(stack)
    template.all_resources_properties("AWS::SNS::Topic", {"KmsMasterKeyId": Match.any_value()})
    template.all_resources_properties("AWS::SQS::Queue", {"SqsManagedSseEnabled": True})
    template.has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})
    (key,) = template.find_resources("AWS::KMS::Key").values()
    (statement,) = (
        s for s in key["Properties"]["KeyPolicy"]["Statement"] if s.get("Sid") == "CloudWatchAlarms"
    )
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_message_that_keeps_failing_is_set_aside(stack: cdk.Stack) -> None:
    Notifications(stack, "Notifications", alarm_emails=EMAILS)
    assert queue_properties(stack)["RedrivePolicy"]["maxReceiveCount"] == 5
    assert queue_properties(stack, "DeadLetters")["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize(("timeout", "visibility"), [(10, 180), (30, 180), (60, 360)])
def test_a_message_stays_hidden_for_six_timeouts(stack: cdk.Stack, timeout: int, visibility: int) -> None:
    made = Notifications(stack, "Notifications", alarm_emails=EMAILS)
    made.add_consumer(new_function(stack, timeout=cdk.Duration.seconds(timeout)))
    assert queue_properties(stack)["VisibilityTimeout"] == visibility


def test_a_timeout_that_is_not_known_yet_is_warned_of(stack: cdk.Stack) -> None:
    seconds = cdk.CfnParameter(stack, "Seconds", type="Number").value_as_number
    function = new_function(stack, timeout=cdk.Duration.seconds(seconds))
    Notifications(stack, "Chosen", topic=sns.Topic(stack, "Topic")).add_consumer(function)
    given = cdk.Duration.minutes(10)
    Notifications(stack, "Given", topic=sns.Topic(stack, "Other"), visibility_timeout=given).add_consumer(
        function
    )
    assert warnings_of(stack).count("cqrs:unknownTimeout") == 1


def test_a_visibility_that_is_too_short_is_refused(stack: cdk.Stack) -> None:
    made = Notifications(stack, "Notifications", visibility_timeout=cdk.Duration.minutes(1))
    with pytest.raises(
        InvalidPropsError, match=r"visibility_timeout must be at least 180 seconds, .* got 1 minute"
    ):
        made.add_consumer(new_function(stack, timeout=cdk.Duration.seconds(30)))


def test_the_consumer_reports_the_messages_that_failed(stack: cdk.Stack) -> None:
    Notifications(stack, "Notifications", alarm_emails=EMAILS).add_consumer(new_function(stack))
    Template.from_stack(stack).has_resource_properties(
        "AWS::Lambda::EventSourceMapping",
        {
            "BatchSize": 10,
            "ScalingConfig": {"MaximumConcurrency": 10},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    )


@pytest.mark.parametrize(("intent", "topic"), [("publish", "Topic"), ("raise_alarm", "AlarmTopic")])
def test_a_grant_is_for_one_topic_and_its_key(stack: cdk.Stack, intent: str, topic: str) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    made = Notifications(stack, "Notifications", alarm_emails=EMAILS)
    getattr(made.grants, intent)(role)
    key = next(iter(Template.from_stack(stack).find_resources("AWS::KMS::Key")))
    allowed = permissions(stack)
    (topic_id,) = set(allowed) - {key}
    assert topic_id.startswith(f"<Notifications{topic}")
    assert allowed == {topic_id: {"sns:Publish"}, key: {"kms:Decrypt", "kms:GenerateDataKey"}}


def test_existing_topics_and_queues_are_used(stack: cdk.Stack) -> None:
    topic, alarms = sns.Topic(stack, "MyTopic"), sns.Topic(stack, "MyAlarms")
    queue, dead = sqs.Queue(stack, "MyQueue"), sqs.Queue(stack, "MyDeadLetters")
    made = Notifications(
        stack, "Notifications", topic=topic, alarm_topic=alarms, queue=queue, dead_letter_queue=dead
    )
    made.add_consumer(imported_function(stack, "notifier"))
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::SNS::Topic", 2)
    template.resource_count_is("AWS::SQS::Queue", 2)
    template.resource_count_is("AWS::KMS::Key", 0)
    assert (made.topic, made.alarm_topic, made.queue, made.dead_letter_queue) == (topic, alarms, queue, dead)
    assert warnings_of(stack) == []


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"max_receive_count": 3}, "max_receive_count has no effect on a resource that queue brings, got 3"),
        ({"visibility_timeout": cdk.Duration.minutes(9)}, "visibility_timeout has no effect"),
    ],
)
def test_props_of_an_existing_queue_are_refused(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        Notifications(stack, "Notifications", queue=sqs.Queue(stack, "Mine"), **props)


def test_a_key_without_anything_new_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="encryption_key has no effect"):
        Notifications(
            stack,
            "Notifications",
            topic=sns.Topic(stack, "MyTopic"),
            alarm_topic=sns.Topic(stack, "MyAlarms"),
            queue=sqs.Queue(stack, "MyQueue"),
            dead_letter_queue=sqs.Queue(stack, "MyDeadLetters"),
            encryption_key=kms.Key(stack, "Key"),
        )


@pytest.mark.parametrize("props", [{"batch_size": 11}, {"max_concurrency": 1}], ids=str)
def test_limits_of_the_mapping_are_refused(stack: cdk.Stack, props: dict[str, int]) -> None:
    with pytest.raises(InvalidPropsError, match=next(iter(props))):
        Notifications(stack, "Notifications").add_consumer(new_function(stack), **props)


def test_metrics_are_of_these_queues(stack: cdk.Stack) -> None:
    made = Notifications(stack, "Notifications")
    assert "NotificationsDeadLetters" in str(stack.resolve(made.metric_dead_letters().to_metric_config()))
    assert "NotificationsQueue" in str(stack.resolve(made.metric_oldest_message().to_metric_config()))


def test_a_second_consumer_of_a_queue_is_refused(stack: cdk.Stack) -> None:
    made = Notifications(stack, "Notifications", alarm_emails=EMAILS)
    made.add_consumer(new_function(stack, "One"))
    said = (
        "queue must have one consumer, got Test/Two for Test/Notifications/Queue beside Test/One; give each"
    )
    with pytest.raises(InvalidPropsError, match=said):
        made.add_consumer(new_function(stack, "Two"))
    with pytest.raises(InvalidPropsError, match="queue must have one consumer, got Test/Three"):
        Notifications(stack, "More", queue=made.queue, alarm_emails=EMAILS).add_consumer(
            new_function(stack, "Three")
        )


def test_services_that_share_notifications_have_queues_of_their_own(app: cdk.App, stack: cdk.Stack) -> None:
    shared = Notifications(stack, "Notifications", alarm_emails=EMAILS)
    shops = [cdk.Stack(app, name) for name in ("A", "B", "C")]
    used = [
        shared.for_service(shop, "Notifications", service=f"prod-{shop.stack_name.lower()}") for shop in shops
    ]
    for shop, own in zip(shops, used, strict=True):
        own.add_consumer(new_function(shop))
    assert used[0] is shared
    assert len({queue.node.path for own in used for queue in (own.queue, own.dead_letter_queue)}) == 6
    assert {own.topic.node.path for own in used} == {"Test/Notifications/Topic"}
    assert {own.alarm_topic.node.path for own in used} == {"Test/Notifications/AlarmTopic"}
    for shop in shops[1:]:
        template = Template.from_stack(shop)
        template.resource_count_is("AWS::SQS::Queue", 2)
        template.resource_count_is("AWS::KMS::Key", 0)
        assert warnings_of(shop) == []
        service = [f"prod-{shop.stack_name.lower()}"]
        template.has_resource_properties(
            "AWS::SNS::Subscription",
            {"FilterPolicy": {"action": ["command-status", "task-status"], "service": service}},
        )
    Template.from_stack(stack).has_resource_properties(
        "AWS::SNS::Subscription", {"FilterPolicy": {"service": ["prod-a", {"exists": False}]}}
    )
