"""What keeps a resource, or what is in it, as its template says it: and what of that an update takes away.

CloudFormation changes each of these in place, and asks nobody. A value that only the deployment
knows, such as a parameter's, counts as kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from math import inf
from typing import Any, Final

__all__ = ["safeguards_lost"]

_Properties = Mapping[str, Any]
#: How strong each safeguard is, by what is said when it is not any more. None: nobody knows, of that one
#: and of each that begins like it.
_Safeguards = Iterator[tuple[str, float | None]]

_MONTH: Final = 30
_KEY_LOST: Final = "loses its customer managed key"
_FOUR_DAYS: Final = 345_600
_RECOVERY_DAYS: Final = 35
_OWN_REGION: Final = json.dumps({"Ref": "AWS::Region"})


def safeguards_lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say what an update takes away from a resource, in the order of the list below.

    Args:
        before: The resource in the template that is deployed.
        after: The resource in the template of today; its type is the same.

    """
    lost = _weaker(_safeguards(before), _safeguards(after))
    if before["Type"] == "AWS::DynamoDB::GlobalTable":
        lost += _replicas_lost(*(_at(table, "Properties", "Replicas") for table in (before, after)))
    return lost


def _weaker(before: _Safeguards, after: _Safeguards) -> list[str]:
    now = dict(after)
    unknown = tuple(text for text, strength in now.items() if strength is None)
    return [
        text
        for text, strength in before
        if strength is not None and not text.startswith(unknown) and (now.get(text) or 0) < strength
    ]


def _replicas_lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    replicas = {_written(replica.get("Region")): replica for replica in _known_items(before)}
    left = {_written(replica.get("Region")): replica for replica in _known_items(after)}
    if len(replicas) == len(left) == 1:
        # Its region may be written in another way; moved it would be replaced, which CDK says.
        return _weaker(*(_replica_settings(replica) for of in (replicas, left) for replica in of.values()))
    lost: list[str] = []
    for region, replica in replicas.items():
        if (kept := left.get(_same_region(region, replicas, left))) is not None:
            weaker = _weaker(_replica_settings(replica), _replica_settings(kept))
            lost += [f"{text} in {region}" for text in weaker]
        elif not _has_unknown_items(after):
            lost.append(f"loses its replica in {region}")
    return lost


def _same_region(region: str, before: Collection[str], after: Collection[str]) -> str:
    """Find how the other template writes a region, where one of the two does not know its own.

    CDK writes the stack's own after those of the copies.
    """
    if region in after:
        return region
    gone = [name for name in before if name not in after]
    added = [name for name in after if name not in before]
    if region == _OWN_REGION and added:
        return added[-1]
    if _OWN_REGION in added and region == gone[-1]:
        return _OWN_REGION
    return region


def _safeguards(resource: Mapping[str, Any]) -> _Safeguards:
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        kept = resource.get(policy, _default_policy(policy, resource))
        yield f"{policy} becomes Delete", kept in {"Retain", "RetainExceptOnCreate", "Snapshot"}
    if (of_type := _OF_TYPES.get(resource["Type"])) is not None:
        yield from of_type(resource.get("Properties", {}))


def _default_policy(policy: str, resource: Mapping[str, Any]) -> str:
    """What CloudFormation does where nothing is said: of a database that it deletes it keeps a snapshot."""
    is_cluster = resource["Type"] == "AWS::RDS::DBCluster"
    is_alone = resource["Type"] == "AWS::RDS::DBInstance" and (
        _at(resource, "Properties", "DBClusterIdentifier") is None
    )
    return "Snapshot" if policy == "DeletionPolicy" and (is_cluster or is_alone) else "Delete"


def _table(properties: _Properties) -> _Safeguards:
    yield from _table_settings(properties)
    yield from _replica_settings(properties)


def _table_settings(properties: _Properties) -> _Safeguards:
    # Another view is another stream: what reads the old one ends.
    yield _named("loses its stream", "of", _at(properties, "StreamSpecification", "StreamViewType"), on=True)
    expiry = properties.get("TimeToLiveSpecification")
    yield _named("loses its TTL", "by", _at(expiry, "AttributeName"), on=_on(_at(expiry, "Enabled")))
    yield "loses its encryption", _on(_at(properties, "SSESpecification", "SSEEnabled"))
    indexes = properties.get("GlobalSecondaryIndexes")
    for index in _known_items(indexes):
        yield f"loses its index {_written(index.get('IndexName'))}", 1
    if _has_unknown_items(indexes):
        yield "loses its index", None


def _replica_settings(properties: _Properties) -> _Safeguards:
    recovery = properties.get("PointInTimeRecoverySpecification")
    is_on = _on(_at(recovery, "PointInTimeRecoveryEnabled"))
    days = _number(_at(recovery, "RecoveryPeriodInDays"), default=_RECOVERY_DAYS) if is_on else is_on
    yield "loses deletion protection", _on(properties.get("DeletionProtectionEnabled"))
    yield "loses point-in-time recovery, or days of it", days
    yield _KEY_LOST, _has_key(properties, "SSESpecification", "KMSMasterKeyId")


def _user_pool(properties: _Properties) -> _Safeguards:
    yield "loses deletion protection", _is(properties.get("DeletionProtection"), "ACTIVE")


def _database(properties: _Properties) -> _Safeguards:
    yield "loses deletion protection", _on(properties.get("DeletionProtection"))
    yield "keeps backups for a shorter time", _number(properties.get("BackupRetentionPeriod"), default=1)


def _bucket(properties: _Properties) -> _Safeguards:
    yield "loses its versions", _is(_at(properties, "VersioningConfiguration", "Status"), "Enabled")
    yield "loses its encryption", "BucketEncryption" in properties
    yield _KEY_LOST, _bucket_key(properties)
    yield "loses its object lock", _on(properties.get("ObjectLockEnabled"))
    public = properties.get("PublicAccessBlockConfiguration")
    for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
        yield f"loses {name}", _on(_at(public, name))
    rules = _at(properties, "LifecycleConfiguration", "Rules")
    ages = [
        _number(rule["ExpirationInDays"], default=inf)
        for rule in _known_items(rules)
        if "ExpirationInDays" in rule and rule.get("Status") == "Enabled"
    ]
    known = [age for age in ages if age is not None]
    is_known = len(known) == len(ages) and not _has_unknown_items(rules)
    yield "deletes objects earlier", min(known, default=inf) if is_known else None


def _bucket_key(properties: _Properties) -> bool | None:
    rules = _at(properties, "BucketEncryption", "ServerSideEncryptionConfiguration")
    defaults = [rule.get("ServerSideEncryptionByDefault") for rule in _known_items(rules)]
    algorithms = [str(_at(default, "SSEAlgorithm")) for default in defaults]
    keys = [
        _has_key(default, "KMSMasterKeyID")
        for default, algorithm in zip(defaults, algorithms, strict=True)
        if algorithm != "AES256"
    ]
    return None if _has_unknown_items(rules) or None in keys else any(keys)


def _key(properties: _Properties) -> _Safeguards:
    yield "is switched off", _on(properties.get("Enabled", True))
    yield "loses its rotation", _on(properties.get("EnableKeyRotation"))
    yield "is deleted sooner", _number(properties.get("PendingWindowInDays"), default=_MONTH)


def _log_group(properties: _Properties) -> _Safeguards:
    yield "loses deletion protection", _on(properties.get("DeletionProtectionEnabled"))
    yield "keeps logs for a shorter time", _number(properties.get("RetentionInDays"), default=inf)
    yield _KEY_LOST, _has_key(properties, "KmsKeyId")


def _queue(properties: _Properties) -> _Safeguards:
    yield (
        "keeps messages for a shorter time",
        _number(properties.get("MessageRetentionPeriod"), default=_FOUR_DAYS),
    )
    yield "loses its dead-letter queue", "RedrivePolicy" in properties
    yield _KEY_LOST, _has_key(properties, "KmsMasterKeyId")


def _topic(properties: _Properties) -> _Safeguards:
    yield _KEY_LOST, _has_key(properties, "KmsMasterKeyId")


def _secret(properties: _Properties) -> _Safeguards:
    yield _KEY_LOST, _has_key(properties, "KmsKeyId")


def _state_machine(properties: _Properties) -> _Safeguards:
    yield _KEY_LOST, _has_key(properties, "EncryptionConfiguration", "KmsKeyId")


def _kinesis_stream(properties: _Properties) -> _Safeguards:
    yield "keeps records for a shorter time", _number(properties.get("RetentionPeriodHours"), default=24)
    yield _KEY_LOST, _has_key(properties, "StreamEncryption", "KeyId")


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
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _state_machine,
}


def _at(value: object, *path: str) -> Any:  # noqa: ANN401 - JSON
    """What is there, or None; what only the deployment knows stands for all that is in it."""
    for name in path:
        if _is_unknown(value):
            return value
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_unknown(value: object) -> bool:
    return isinstance(value, Mapping) and any(key == "Ref" or key.startswith("Fn::") for key in value)


def _known_items(value: object) -> list[Mapping[str, Any]]:
    """What a list has that does not depend on the deployment."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping) and not _is_unknown(item)]


def _has_unknown_items(value: object) -> bool:
    return _is_unknown(value) or (isinstance(value, list) and any(map(_is_unknown, value)))


def _named(text: str, preposition: str, name: object, *, on: bool | None) -> tuple[str, float | None]:
    """Give a safeguard that another one of another name does not stand in for."""
    if _is_unknown(name):
        return text, None
    return f"{text} {preposition} {_written(name)}", False if name is None else on


def _has_key(value: object, *path: str) -> bool | None:
    """Whether a customer managed key is named, which may be a reference; AWS has keys of its own."""
    key = _at(value, *path)
    if _is_unknown(key) and any(key is _at(value, *path[:depth]) for depth in range(len(path))):
        return None
    if isinstance(key, Mapping):
        return None if "Fn::If" in key else True
    return key is not None and "alias/aws/" not in key


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
