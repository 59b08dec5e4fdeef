"""What a customer managed key has to allow AWS services that work by themselves, not in a function's name.

Each statement names services, an account and a Region, never a resource: a key that names what it
encrypts depends on it, and could stand neither in the same stack nor in another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Annotations, Aws
from aws_cdk import aws_iam as iam

from constructs_lib.props.checks import check_key
from constructs_lib.props.environments import stack_of
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_sns as sns
    from constructs import Construct

__all__ = ["let_alarms_use", "let_logs_use", "let_topics_use"]

_DATA_KEYS = ("kms:Decrypt", "kms:GenerateDataKey*")


def let_logs_use(scope: Construct, key: kms.IKey | None) -> None:
    """Let CloudWatch Logs encrypt the log groups of the account with ``key``, if there is one."""
    if key is None:
        return
    stack = stack_of(scope)
    groups = f"arn:{Aws.PARTITION}:logs:{stack.region}:{stack.account}:log-group:*"
    _allow(
        scope,
        key,
        sid="CloudWatchLogs",
        service=f"logs.{stack.region}.amazonaws.com",
        actions=("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"),
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )


def let_alarms_use(scope: Construct, key: kms.IKey | None) -> None:
    """Let CloudWatch publish alarms to topics that are encrypted with ``key``, if there is one."""
    _allow(
        scope,
        key,
        sid="CloudWatchAlarms",
        service="cloudwatch.amazonaws.com",
        actions=_DATA_KEYS,
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    )


def let_topics_use(scope: Construct, key: kms.IKey | None, *topics: sns.ITopic) -> None:
    """Let SNS put messages into queues that are encrypted with ``key``, if there is one.

    That is from topics of this account, and of those that ``topics`` are known to be of.
    """
    if key is None:
        return
    stack = stack_of(scope)
    named = {topic.env.account for topic in topics}
    for account in (stack.account, *sorted(named - {stack.account})):
        is_own = account == stack.account
        if is_unresolved(account) and not is_own:
            continue  # not known: taken for this one
        _allow(
            scope,
            key,
            # No two statements of a policy may have the same.
            sid="TopicsToQueues" if is_own else f"TopicsOf{account}ToQueues",
            service="sns.amazonaws.com",
            actions=_DATA_KEYS,
            conditions={"ArnLike": {"aws:SourceArn": f"arn:{Aws.PARTITION}:sns:{stack.region}:{account}:*"}},
            of="" if is_own else f" of the account {account}",
        )


def _allow(
    scope: Construct,
    key: kms.IKey | None,
    *,
    sid: str,
    service: str,
    actions: tuple[str, ...],
    conditions: dict[str, Any],
    of: str = "",
) -> None:
    check_key(scope, key)
    if key is None:
        return
    statement = iam.PolicyStatement(
        sid=sid,
        actions=list(actions),
        principals=[iam.ServicePrincipal(service, conditions=conditions)],
        resources=["*"],
    )
    if not key.add_to_resource_policy(statement).statement_added:
        # On the stack, whose parts all have the key: a person wants to read it once.
        Annotations.of(stack_of(scope)).add_warning_v2(
            f"cqrs:keyPolicy:{sid}",
            f"the policy of the key {key.node.path} is its owner's, and has to let {service}{of} do "
            f"{', '.join(actions)}; without that the deployment fails, or what {service} brings is lost",
        )
