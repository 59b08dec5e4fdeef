"""What CloudFormation cannot delete with a stack, or when it rolls back.

It deletes a resource by the service's own call, so what the service refuses fails, and the
stack ends in DELETE_FAILED or ROLLBACK_FAILED: a bucket with objects in it ("The bucket you
tried to delete is not empty",
https://repost.aws/knowledge-center/cloudformation-s3-custom-resources), a table or a user
pool that is protected from deletion
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html).

Stock takes the resource out of its own memory, whatever is in it and however it is
protected.

CDK's `auto_delete_objects` empties a bucket by a function for Node.js, which takes the AWS
SDK from Lambda's runtime. There is none on this machine, and a stock deployment with such a
bucket waits for an hour for that function. Here the emulator does its work: nothing at the
start, and all objects of the bucket when it is to go.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cognito, dynamodb, s3
from ministack.services.cloudformation import provisioners

from ..patching import replace

__all__ = ["apply"]

_EMPTIED = "Custom::S3AutoDeleteObjects"


def apply() -> None:
    """Refuse to delete what AWS would not, and empty the buckets that are to be emptied."""
    _guard("_s3_delete", _check_bucket, holding="_s3._buckets.pop(physical_id, None)")
    _guard("_ddb_delete", _check_table, holding="_dynamodb._tables.pop(physical_id, None)")
    _guard("_ddb_global_table_delete", _check_table, holding="_ddb_delete(physical_id, props)")
    _guard("_cognito_user_pool_delete", _check_pool, holding="_cognito._user_pools.pop(physical_id, None)")
    provisioners._RESOURCE_HANDLERS[_EMPTIED] = {
        "create": lambda _logical_id, props, _stack: (props["BucketName"], {}),
        "update": lambda _physical_id, _old, props, _stack: (props["BucketName"], {}),
        "delete": lambda _physical_id, props: _empty(props["BucketName"]),
    }


def _guard(name: str, check: Any, *, holding: str) -> None:
    def delete(physical_id: str, props: dict[str, Any]) -> Any:
        check(physical_id)
        return stock(physical_id, props)

    stock = replace(provisioners, name, delete, holding=(holding,))
    # The table of handlers was made of the functions that were there before.
    for handlers in provisioners._RESOURCE_HANDLERS.values():
        if handlers.get("delete") is stock:
            handlers["delete"] = delete


def _check_bucket(name: str) -> None:
    bucket = s3._buckets.get(name)
    if bucket is not None and (bucket["objects"] or s3._bucket_has_versions(name)):
        message = "The bucket you tried to delete is not empty"
        raise ValueError(message)


def _check_table(name: str) -> None:
    table = dynamodb._tables.get(name)
    if table is not None and table.get("DeletionProtectionEnabled"):
        message = (
            "Resource cannot be deleted as it is currently protected against deletion. "
            "Disable deletion protection first."
        )
        raise ValueError(message)


def _check_pool(pool_id: str) -> None:
    pool = cognito._user_pools.get(pool_id)
    if pool is not None and pool.get("DeletionProtection") == "ACTIVE":
        message = (
            "The user pool cannot be deleted because deletion protection is activated. "
            "Deletion protection must be inactivated first."
        )
        raise ValueError(message)


def _empty(name: str) -> None:
    bucket = s3._buckets.get(name)
    if bucket is not None:
        bucket["objects"].clear()
    for key in [key for key in s3._object_versions if key[0] == name]:
        del s3._object_versions[key]
