"""What keeps a resource, or what is in it, as its template says it: and what of that an update takes away.

CloudFormation changes each of these in place, and asks nobody. A value that only the deployment
knows, such as a parameter's, counts as kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Any, Final

__all__ = ["safeguards_lost"]

_Properties = Mapping[str, Any]
#: How strong each safeguard is, by what is said when it is not any more. None: nobody knows.
_Safeguards = Iterator[tuple[str, float | None]]

_MONTH: Final = 30
_FOUR_DAYS: Final = 345_600
_RECOVERY_DAYS: Final = 35


def safeguards_lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say what an update takes away from a resource, in the order of the list below.

    Args:
        before: The resource in the template that is deployed.
        after: The resource in the template of today; its type is the same.

    """
    lost = _weaker(_safeguards(before), _safeguards(after))
    if before["Type"] == "AWS::DynamoDB::GlobalTable":
        lost += _replicas_lost(_replicas(before), _replicas(after))
    return lost


def _weaker(before: _Safeguards, after: _Safeguards) -> list[str]:
    now = dict(after)
    return [
        text
        for text, strength in before
        if strength is not None and (left := now.get(text, 0)) is not None and left < strength
    ]


def _replicas(table: Mapping[str, Any]) -> dict[str, _Properties]:
    replicas = table.get("Properties", {}).get("Replicas", [])
    return {_written(replica.get("Region")): replica for replica in replicas}


def _replicas_lost(before: Mapping[str, _Properties], after: Mapping[str, _Properties]) -> list[str]:
    if len(before) == len(after) == 1:
        # Its region may be written in another way; moved it would be replaced, which CDK says.
        return _weaker(
            *(_replica_settings(replica) for table in (before, after) for replica in table.values())
        )
    lost: list[str] = []
    for region, replica in before.items():
        if region not in after:
            lost.append(f"loses its replica in {region}")
            continue
        weaker = _weaker(_replica_settings(replica), _replica_settings(after[region]))
        lost += [f"{text} in {region}" for text in weaker]
    return lost


def _safeguards(resource: Mapping[str, Any]) -> _Safeguards:
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        kept = resource.get(policy) in {"Retain", "RetainExceptOnCreate", "Snapshot"}
        yield f"{policy} becomes Delete", kept
    if (of_type := _OF_TYPES.get(resource["Type"])) is not None:
        yield from of_type(resource.get("Properties", {}))


def _table(properties: _Properties) -> _Safeguards:
    yield from _table_settings(properties)
    yield from _replica_settings(properties)


def _table_settings(properties: _Properties) -> _Safeguards:
    if (stream := properties.get("StreamSpecification")) is not None:
        # Another view is another stream: what reads the old one ends.
        yield f"loses its stream of {_written(_at(stream, 'StreamViewType'))}", 1
    expiry = properties.get("TimeToLiveSpecification")
    name = _written(_at(expiry, "AttributeName"))
    yield f"loses its TTL by {name}", _on(_at(expiry, "Enabled"))
    yield "loses its encryption", _on(_at(properties, "SSESpecification", "SSEEnabled"))
    for index in properties.get("GlobalSecondaryIndexes", []):
        yield f"loses its index {_written(index.get('IndexName'))}", 1


def _replica_settings(properties: _Properties) -> _Safeguards:
    recovery = properties.get("PointInTimeRecoverySpecification")
    is_on = _on(_at(recovery, "PointInTimeRecoveryEnabled"))
    days = _number(_at(recovery, "RecoveryPeriodInDays"), default=_RECOVERY_DAYS) if is_on else is_on
    yield "loses deletion protection", _on(properties.get("DeletionProtectionEnabled"))
    yield "loses point-in-time recovery, or days of it", days


def _user_pool(properties: _Properties) -> _Safeguards:
    yield "loses deletion protection", _is(properties.get("DeletionProtection"), "ACTIVE")


def _database(properties: _Properties) -> _Safeguards:
    yield "loses deletion protection", _on(properties.get("DeletionProtection"))
    yield "keeps backups for a shorter time", _number(properties.get("BackupRetentionPeriod"), default=1)


def _bucket(properties: _Properties) -> _Safeguards:
    yield "loses its versions", _is(_at(properties, "VersioningConfiguration", "Status"), "Enabled")
    yield "loses its encryption", "BucketEncryption" in properties
    yield "loses its object lock", _on(properties.get("ObjectLockEnabled"))
    public = properties.get("PublicAccessBlockConfiguration")
    for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
        yield f"loses {name}", _on(_at(public, name))
    rules = _at(properties, "LifecycleConfiguration", "Rules") or []
    ages = [
        _number(rule["ExpirationInDays"], default=inf)
        for rule in rules
        if isinstance(rule, Mapping) and "ExpirationInDays" in rule and rule.get("Status") == "Enabled"
    ]
    known = [age for age in ages if age is not None]
    yield "deletes objects earlier", min(known, default=inf) if len(known) == len(ages) else None


def _key(properties: _Properties) -> _Safeguards:
    yield "is switched off", _on(properties.get("Enabled", True))
    yield "loses its rotation", _on(properties.get("EnableKeyRotation"))
    yield "is deleted sooner", _number(properties.get("PendingWindowInDays"), default=_MONTH)


def _log_group(properties: _Properties) -> _Safeguards:
    yield "loses deletion protection", _on(properties.get("DeletionProtectionEnabled"))
    yield "keeps logs for a shorter time", _number(properties.get("RetentionInDays"), default=inf)


def _queue(properties: _Properties) -> _Safeguards:
    yield (
        "keeps messages for a shorter time",
        _number(properties.get("MessageRetentionPeriod"), default=_FOUR_DAYS),
    )
    yield "loses its dead-letter queue", "RedrivePolicy" in properties


def _kinesis_stream(properties: _Properties) -> _Safeguards:
    yield "keeps records for a shorter time", _number(properties.get("RetentionPeriodHours"), default=24)


def _mapping(properties: _Properties) -> _Safeguards:
    yield "is switched off", _on(properties.get("Enabled", True))
    yield (
        "loses its on-failure destination",
        _at(properties, "DestinationConfig", "OnFailure", "Destination") is not None,
    )


_OF_TYPES: Final[Mapping[str, Callable[[_Properties], _Safeguards]]] = {
    "AWS::Cognito::UserPool": _user_pool,
    "AWS::DocDB::DBCluster": _database,
    "AWS::DynamoDB::GlobalTable": _table_settings,
    "AWS::DynamoDB::Table": _table,
    "AWS::KMS::Key": _key,
    "AWS::Kinesis::Stream": _kinesis_stream,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::RDS::DBCluster": _database,
    "AWS::RDS::DBInstance": _database,
    "AWS::S3::Bucket": _bucket,
    "AWS::SQS::Queue": _queue,
}


def _at(value: object, *path: str) -> Any:  # noqa: ANN401 - JSON
    """What is there, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _on(value: object) -> bool | None:
    """Whether a switch is on, also where it is written as a text."""
    return None if isinstance(value, Mapping) else str(value).lower() == "true"


def _is(value: object, wanted: str) -> bool | None:
    return None if isinstance(value, Mapping) else value == wanted


def _number(value: object, *, default: float) -> float | None:
    if value is None:
        return default
    return float(value) if isinstance(value, int | float | str) else None


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
