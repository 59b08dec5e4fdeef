"""Topics for status changes and alarms, and the queue that the notifier reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from aws_cdk import Annotations, Aws, Duration, Names, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import FunctionElsewhere, own_function
from constructs_lib.functions.mapping_rights import give_before
from constructs_lib.functions.reserved_concurrency import concurrency_of_queue
from constructs_lib.messaging.brought_messaging import check_brought, check_only_consumer, check_senders
from constructs_lib.messaging.encrypted_queue import subscribe_encrypted_queue
from constructs_lib.messaging.queue_visibility import DEFAULT_VISIBILITY, check_visibility, fit_visibility
from constructs_lib.props.acknowledge import acknowledge
from constructs_lib.props.checks import check_pattern, check_range, refuse_props_of_brought
from constructs_lib.props.environments import check_environment
from constructs_lib.props.grants import READ_WITH_KEY, allow_key, combined
from constructs_lib.props.imported_names import check_topic_arn
from constructs_lib.props.service_keys import let_alarms_use, let_topics_use
from constructs_lib.props.strict_props import strict_props
from runtime import contract
from runtime.contract import Env, FunctionKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_cloudwatch as cloudwatch

    from constructs_lib.parts import ServiceFunctions

__all__ = ["Notifications", "NotificationsGrants"]

_Made = TypeVar("_Made")


class Notifications(Construct):
    """A topic for status changes with a queue behind it, and a topic for alarms.

    The queue receives the messages whose attribute ``action`` is a status of a command or
    a task; a message that its consumer cannot handle ends in the dead-letter queue. Both
    topics and both queues take requests over TLS only and are encrypted. Alarms go to
    people: give at least one e-mail address or subscription.

    Example:
        >>> notifications = Notifications(self, "Notifications", alarm_emails=["on-call@example.com"])
        >>> notifications.grants.publish(worker)
        >>> notifications.add_consumer(notifier)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        topic: An existing topic for status changes. Defaults to a new one.
        alarm_topic: An existing topic for alarms. Defaults to a new one.
        alarms_only: Whether there is the topic for alarms alone, such as of a service that has no commands,
            of whose statuses clients would be told; and a dead-letter queue where there are
            ``alarm_emails``. Defaults to False.
        queue: An existing queue for the notifier; its own policy must let ``topic`` send
            to it where it was imported. Defaults to a new one.
        service: Stage and name of the one service whose messages the queue receives, such as
            "prod-shop", where several services share ``topic``. Defaults to those of all.
        dead_letter_queue: An existing queue for what could not be handled or delivered.
            Defaults to a new one that keeps messages for 14 days.
        encryption_key: Customer managed key of the new topics and queues; its policy gets what
            CloudWatch's alarms and SNS need, also for topics of another account. Defaults to a
            new key of the topics, with yearly rotation: the key that AWS manages for SNS cannot be
            used by CloudWatch alarms; and to the key that SQS owns for the queues.
        alarm_emails: Addresses that alarms are sent to. AWS asks each to confirm. Defaults to
            none.
        alarm_subscriptions: Other subscribers to alarms, such as a chat's webhook. Defaults to
            none.
        max_receive_count: How often a message is tried before it is set aside. Defaults to 5.
        visibility_timeout: How long a message is hidden from others while it is handled:
            at least six times the consumer's timeout. Defaults to that, and to 3 minutes
            where the consumer's timeout is not known.
        removal_policy: What happens to the new key when it leaves the stack. DESTROY schedules
            its deletion in 7 days. Defaults to RETAIN.

    Raises:
        InvalidPropsError: ``max_receive_count`` is below 1, a property configures a resource that was
            brought along, or that is not there, or what was brought is FIFO, in another account or Region,
            or a queue of another stack that a topic of this one would send to.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic | None = None,
        alarm_topic: sns.ITopic | None = None,
        alarms_only: bool = False,
        queue: sqs.IQueue | None = None,
        service: str | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
        encryption_key: kms.IKey | None = None,
        alarm_emails: Sequence[str] = (),
        alarm_subscriptions: Sequence[sns.ITopicSubscription] = (),
        max_receive_count: int | None = None,
        visibility_timeout: Duration | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        check_pattern("service", service, ".+-.+", hint="give stage and name, such as 'prod-shop'")
        check_range("max_receive_count", max_receive_count, minimum=1, maximum=1000, hint="5 is usual")
        if alarms_only:
            _refuse_beside_alarms(
                topic=topic,
                queue=queue,
                service=service,
                max_receive_count=max_receive_count,
                visibility_timeout=visibility_timeout,
            )
        if queue is not None:
            refuse_props_of_brought(
                "queue", max_receive_count=max_receive_count, visibility_timeout=visibility_timeout
            )
        if None not in {topic, alarm_topic, queue, dead_letter_queue}:
            refuse_props_of_brought(
                "topic, alarm_topic, queue and dead_letter_queue", encryption_key=encryption_key
            )
        check_brought(
            self,
            topics={"topic": topic, "alarm_topic": alarm_topic},
            queues={"queue": queue, "dead_letter_queue": dead_letter_queue},
            encryption_key=encryption_key,
        )
        # Of the topics that would be made here, and of which stack the queues are.
        check_senders(
            self,
            queue=queue if topic is None else None,
            dead_letter_queue=dead_letter_queue if topic is None or alarm_topic is None else None,
        )
        queue_encryption = sqs.QueueEncryption.KMS if encryption_key else sqs.QueueEncryption.SQS_MANAGED
        self._queue_brought = queue is not None
        self._service = service
        self._is_for_all = service is None
        self._visibility_timeout = visibility_timeout
        self.encryption_key = encryption_key
        if encryption_key is None and (alarm_topic is None or (topic is None and not alarms_only)):
            self.encryption_key = kms.Key(
                self,
                "Key",
                description="Notifications and alarms on their way",
                enable_key_rotation=True,
                removal_policy=removal_policy,
                pending_window=Duration.days(7) if removal_policy is RemovalPolicy.DESTROY else None,
            )
        self._status_topic = None if alarms_only else topic or self._topic("Topic")
        self.alarm_topic: sns.ITopic = alarm_topic or self._new_alarm_topic()
        self._dead_letters = dead_letter_queue
        if dead_letter_queue is None and (alarm_emails or not alarms_only):
            self._dead_letters = sqs.Queue(
                self,
                "DeadLetters",
                encryption=queue_encryption,
                encryption_master_key=encryption_key,
                enforce_ssl=True,
                retention_period=Duration.days(14),
            )
        if self._dead_letters is not None:
            acknowledge(
                self._dead_letters,
                "it is the dead-letter queue",
                "Serverless-SQSRedrivePolicy",
                # Found only where no queue is made beside it: then it serves the subscriptions alone.
                *(["AwsSolutions-SQS3"] if queue or alarms_only else []),
            )
        self._queue = queue
        if queue is None and not alarms_only:
            self._queue = sqs.Queue(
                self,
                "Queue",
                encryption=queue_encryption,
                encryption_master_key=encryption_key,
                enforce_ssl=True,
                visibility_timeout=visibility_timeout or DEFAULT_VISIBILITY,
                dead_letter_queue=sqs.DeadLetterQueue(
                    queue=self.dead_letter_queue, max_receive_count=max_receive_count or 5
                ),
            )
        if (self._queue and queue is None) or (self._dead_letters and dead_letter_queue is None):
            let_topics_use(self, encryption_key, *self._topics)
        self._subscription: sns.Subscription | None = None
        if not alarms_only:
            self._subscription = self._subscribe_queue(
                {name: sns.SubscriptionFilter(values) for name, values in _filter(service).items()},
                is_encrypted=queue is None and encryption_key is not None,
            )
        self._subscribe_people(alarm_emails, alarm_subscriptions, brought=alarm_topic is not None)
        self.grants = NotificationsGrants(
            topic=self._status_topic,
            alarm_topic=self.alarm_topic,
            queue=self._queue,
            dead_letter_queue=self._dead_letters,
        )

    @classmethod
    @strict_props
    def from_topic_arns(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        topic_arn: str,
        alarm_topic_arn: str,
        service: str | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> Notifications:
        """Use topics that exist, with a new queue behind them.

        The topics may be of another account, whose policies, and that of their key, must let this one
        publish and subscribe.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            topic_arn: The topic for status changes.
            alarm_topic_arn: The topic for alarms.
            service: Stage and name of the one service whose messages the queue receives, such as
                "prod-shop". Defaults to those of all.
            encryption_key: Their customer managed key; the grants include its use. Defaults to none.

        Raises:
            InvalidPropsError: One cannot be the ARN of a topic.

        """
        check_topic_arn("topic_arn", topic_arn)
        check_topic_arn("alarm_topic_arn", alarm_topic_arn)
        key = encryption_key.key_arn if encryption_key else None

        def topic(name: str, arn: str) -> sns.ITopic:
            return sns.Topic.from_topic_attributes(
                scope, f"Imported{construct_id}{name}", topic_arn=arn, key_arn=key
            )

        return cls(
            scope,
            construct_id,
            topic=topic("Topic", topic_arn),
            alarm_topic=topic("AlarmTopic", alarm_topic_arn),
            service=service,
        )

    @property
    def alarms_only(self) -> bool:
        """Whether there is the topic for alarms alone."""
        return self._status_topic is None

    @property
    def topic(self) -> sns.ITopic:
        """The topic for status changes.

        Raises:
            InvalidPropsError: There are alarms only.

        """
        return _there("topic", self._status_topic)

    @property
    def queue(self) -> sqs.IQueue:
        """The queue that the notifier reads.

        Raises:
            InvalidPropsError: There are alarms only.

        """
        return _there("queue", self._queue)

    @property
    def dead_letter_queue(self) -> sqs.IQueue:
        """The queue for what could not be handled or delivered.

        Raises:
            InvalidPropsError: There are alarms only, and nobody whom they are sent to by e-mail.

        """
        return _there("dead_letter_queue", self._dead_letters)

    @property
    def has_dead_letter_queue(self) -> bool:
        """Whether there is a `dead_letter_queue`."""
        return self._dead_letters is not None

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Let whatever applies commands publish their status, whatever parks raise alarms, operator replay.

        What parks is worker and projector, where there is one. A function of your own may publish statuses,
        as a synchronous publish does. The consumer of the queue is not connected by this: see
        `add_consumer`. Of functions without notifier, operator has nothing to replay.
        """
        if is_own_function(functions):
            check_environment("topic", self.topic, functions, account_may_differ=True)
            own = own_function(self, functions)
            self.grants.publish(own.function)
            own.set_variable(Env.SNS_TOPIC_ARN, self.topic.topic_arn)
            return
        if functions.has_commands or functions.find(FunctionKind.NOTIFIER) is not None:
            self._connect_statuses(functions)
        # They park what they give up.
        for kind in (FunctionKind.WORKER, FunctionKind.PROJECTOR):
            if (parks := functions.find(kind)) is not None:
                check_environment("alarm_topic", self.alarm_topic, parks, account_may_differ=True)
                self.grants.raise_alarm(parks)
                functions.set_variable(Env.SNS_ALARM_TOPIC_ARN, self.alarm_topic.topic_arn, parks)

    def _connect_statuses(self, functions: ServiceFunctions) -> None:
        check_environment("topic", self.topic, functions.api, account_may_differ=True)
        check_environment("queue", self.queue, functions.operator, account_may_differ=True)

        def give(applier: lambda_.IFunction) -> None:
            self.grants.publish(applier)
            functions.set_variable(Env.SNS_TOPIC_ARN, self.topic.topic_arn, applier)

        functions.for_each_applier(give)
        operator = functions.operator
        self.grants.replay(operator)
        functions.set_variable(Env.NOTIFICATION_QUEUE_URL, self.queue.queue_url, operator)
        functions.set_variable(Env.DEAD_LETTER_QUEUE_URL, self.dead_letter_queue.queue_url, operator)

    def for_service(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: str,
        encryption_key: kms.IKey | None = None,
    ) -> Notifications:
        """Give the notifications of one of the services that share these topics.

        The first service has this queue. Every other one gets a queue of its own, with a dead-letter
        queue, made in ``scope``: two that read one queue would each get some of the other's messages.
        Once there are two, a queue receives the messages of its service only; this one also those that
        do not say whose they are.

        Args:
            scope: Where the queues of another service are made.
            construct_id: Id within ``scope`` of its `Notifications`.
            service: Stage and name of the service, such as "prod-shop".
            encryption_key: Customer managed key of these queues. Defaults to the key that SQS owns.

        """
        if self._subscription is None or self._service in {None, service}:
            self._service = service
            return self
        resource = self._subscription.node.default_child
        if self._is_for_all and isinstance(resource, sns.CfnSubscription):
            resource.filter_policy = _filter(self._service, {"exists": False})
        return Notifications(
            scope,
            construct_id,
            topic=self.topic,
            alarm_topic=self.alarm_topic,
            service=service,
            encryption_key=encryption_key,
        )

    def add_consumer(
        self, function: lambda_.IFunction, *, batch_size: int = 10, max_concurrency: int | None = None
    ) -> None:
        """Feed the queue to ``function``, which reports the messages of a batch that failed.

        Args:
            function: The notifier. Its timeout must be at most a sixth of the queue's
                visibility timeout.
            batch_size: Most messages of one call, from 1 to 10.
            max_concurrency: Most calls at the same time, from 2 to 1000. Defaults to 10, or to what
                the function reserves, if that is less.

        Raises:
            InvalidPropsError: A number is outside what Lambda allows, the queue would make more calls
                at the same time than the function reserves, the function may run for longer
                than a sixth of ``visibility_timeout``, or than a brought queue hides a message, or the
                queue has another consumer.

        """
        check_range("batch_size", batch_size, minimum=1, maximum=10, hint="10 is the most without a window")
        check_range("max_concurrency", max_concurrency, minimum=2, maximum=1000, hint="Lambda starts at 2")
        max_concurrency = concurrency_of_queue(function, max_concurrency)
        check_environment("queue", self.queue, function, account_may_differ=True)
        if function.role is not None:
            own = own_function(self, function)
            function = own.function if isinstance(own, FunctionElsewhere) else function
        check_only_consumer(self.queue, function)
        if self._queue_brought:
            check_visibility(self.queue, function)
        else:
            fit_visibility(self.queue, function, given=self._visibility_timeout)
        acknowledge(
            function,
            "a message that keeps failing goes to the queue's dead-letter queue; a mapping of a queue "
            "has no destination of its own",
            "Serverless-LambdaEventSourceMappingDestination",
        )
        mapping = lambda_.EventSourceMapping(
            cast("Construct", function),
            # As SqsEventSource, which once made it, would call it: another id would be another mapping.
            f"SqsEventSource:{Names.node_unique_id(self.queue.node)}",
            target=function,
            event_source_arn=self.queue.queue_arn,
            batch_size=batch_size,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )
        give_before(mapping, function, [self.queue.grant_consume_messages(function)])

    def metric_dead_letters(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Messages that wait in the dead-letter queue, at most over ``period`` (5 minutes)."""
        return self.dead_letter_queue.metric_approximate_number_of_messages_visible(
            period=period, statistic="Maximum"
        )

    def metric_oldest_message(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Age in seconds of the oldest message in the queue, at most over ``period`` (5 minutes)."""
        return self.queue.metric_approximate_age_of_oldest_message(period=period, statistic="Maximum")

    def _subscribe_queue(
        self, filter_policy: Mapping[str, sns.SubscriptionFilter], *, is_encrypted: bool
    ) -> sns.Subscription:
        if is_encrypted and isinstance(self.queue, sqs.Queue):
            return subscribe_encrypted_queue(
                self.topic, self.queue, filter_policy=filter_policy, dead_letter_queue=self.dead_letter_queue
            )
        return self.topic.add_subscription(
            subscriptions.SqsSubscription(
                self.queue,
                raw_message_delivery=True,
                filter_policy=filter_policy,
                dead_letter_queue=self.dead_letter_queue,
            )
        )

    @property
    def _topics(self) -> list[sns.ITopic]:
        return [*([self._status_topic] if self._status_topic else []), self.alarm_topic]

    def _topic(self, construct_id: str) -> sns.Topic:
        return sns.Topic(self, construct_id, enforce_ssl=True, master_key=self.encryption_key)

    def _new_alarm_topic(self) -> sns.Topic:
        topic = self._topic("AlarmTopic")
        cloudwatch_alarms = iam.ServicePrincipal(
            "cloudwatch.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudWatchAlarms",
                actions=["sns:Publish"],
                principals=[cloudwatch_alarms],
                resources=[topic.topic_arn],
            )
        )
        let_alarms_use(self, self.encryption_key)
        return topic

    def _subscribe_people(
        self, emails: Sequence[str], others: Sequence[sns.ITopicSubscription], *, brought: bool
    ) -> None:
        for email in emails:
            self.alarm_topic.add_subscription(
                subscriptions.EmailSubscription(email, dead_letter_queue=self.dead_letter_queue)
            )
        for other in others:
            self.alarm_topic.add_subscription(other)
        if not (emails or others or brought):
            Annotations.of(self).add_warning_v2(
                "cqrs:unreadAlarms", "nobody receives the alarms; give alarm_emails or alarm_subscriptions"
            )


def _there(name: str, part: _Made | None) -> _Made:
    if part is None:
        msg = (
            f"{name} is not there: these notifications are for alarms only; leave alarms_only out, or, in a "
            "stack whose modules are all of events, give notifier=FunctionOptions()"
        )
        raise InvalidPropsError(msg)
    return part


def _refuse_beside_alarms(**props: object) -> None:
    """Refuse what configures a part that is not there."""
    for name, value in props.items():
        if value is not None:
            msg = f"{name} has no effect beside alarms_only, got both; leave one of them out"
            raise InvalidPropsError(msg)


def _filter(service: str | None, *others: object) -> dict[str, list[object]]:
    """Which messages a queue receives: those of clients' interest, of one service or of all."""
    by_action: dict[str, list[object]] = {"action": list(contract.NOTIFICATION_ACTIONS)}
    return by_action if service is None else {**by_action, contract.NOTIFICATION_SERVICE: [service, *others]}


class NotificationsGrants:
    """Permissions on the topics and queues of `Notifications`, with the use of their keys."""

    def __init__(
        self,
        *,
        alarm_topic: sns.ITopic,
        topic: sns.ITopic | None,
        queue: sqs.IQueue | None,
        dead_letter_queue: sqs.IQueue | None,
    ) -> None:
        self._topic = topic
        self._alarm_topic = alarm_topic
        self._queue = queue
        self._dead_letters = dead_letter_queue

    def publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` publish status changes.

        Raises:
            InvalidPropsError: There are alarms only.

        """
        return self._publish(_there("topic", self._topic), grantee)

    def raise_alarm(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` publish alarms."""
        return self._publish(self._alarm_topic, grantee)

    def replay(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` see how full both queues are, and put dead letters back into the queue.

        Raises:
            InvalidPropsError: There are alarms only.

        """
        queue, dead_letters = _there("queue", self._queue), _there("dead_letter_queue", self._dead_letters)
        depth = "sqs:GetQueueAttributes"
        return combined(
            queue.grant(grantee, depth, "sqs:SendMessage"),
            dead_letters.grant(grantee, depth, "sqs:ReceiveMessage", "sqs:DeleteMessage"),
            *allow_key(grantee, queue.encryption_master_key, *READ_WITH_KEY, "kms:GenerateDataKey"),
            *allow_key(grantee, dead_letters.encryption_master_key, *READ_WITH_KEY),
        )

    def _publish(self, topic: sns.ITopic, grantee: iam.IGrantable) -> iam.Grant:
        # Not topic.grant_publish: that allows kms:GenerateDataKey*, of which SNS needs one.
        grant = iam.Grant.add_to_principal_or_resource(
            grantee=grantee, actions=["sns:Publish"], resource_arns=[topic.topic_arn], resource=topic
        )
        if (key := topic.master_key) is None:
            return grant
        return grant.combine(key.grant(grantee, "kms:Decrypt", "kms:GenerateDataKey"))
