"""Protection of tables and user pools from deletion.

CloudFormation: a global table has its `DeletionProtectionEnabled` in the entry of each
replica
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-dynamodb-globaltable-replicaspecification.html).
Cognito: "Before you can delete a protected user pool in a DeleteUserPool request, you must
first disable deletion protection in an UpdateUserPool request", else it answers with an
InvalidParameterException
(https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-settings-deletion-protection.html).

Stock leaves the replicas out, so the table of such a template is not protected, and
deletes any user pool.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cognito
from ministack.services.cloudformation import provisioners

from ..patching import replace

__all__ = ["apply"]

_TABLE = "AWS::DynamoDB::GlobalTable"
_FIELD = "DeletionProtectionEnabled"


def apply() -> None:
    """Protect what the template, or the pool, says is to be protected."""
    _protect_tables()
    _protect_pools()


def _protect_tables() -> None:
    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        return stock_create(logical_id, _with_protection(props), stack_name)

    def update(
        physical_id: str, old_props: dict[str, Any], new_props: dict[str, Any], stack_name: str
    ) -> Any:
        old, new = _with_protection(old_props), _with_protection(new_props)
        return stock_update(physical_id, old, new, stack_name)

    stock_create = replace(
        provisioners,
        "_ddb_global_table_create",
        create,
        holding=("translated = dict(props)", 'translated.pop("Replicas", None)'),
    )
    stock_update = replace(
        provisioners,
        "_ddb_global_table_update",
        update,
        holding=("translated = dict(new_props)", 'for prop in ("Replicas",'),
    )
    # The table of handlers was made of the functions that were there before.
    provisioners._RESOURCE_HANDLERS[_TABLE].update(create=create, update=update)


def _with_protection(props: dict[str, Any]) -> dict[str, Any]:
    """The properties, with the protection of the one replica where a plain table has it."""
    replicas = props.get("Replicas") or [{}]
    # A parameter or intrinsic function arrives as text.
    return props | {_FIELD: str(replicas[0].get(_FIELD, False)).lower() == "true"}


def _protect_pools() -> None:
    def delete(data: dict[str, Any]) -> Any:
        pool, _ = cognito._resolve_pool(data.get("UserPoolId"))
        if pool and pool.get("DeletionProtection") == "ACTIVE":
            message = (
                "The user pool cannot be deleted because deletion protection is activated. "
                "Deletion protection must be inactivated first."
            )
            return cognito.error_response_json("InvalidParameterException", message, 400)
        return stock(data)

    stock = replace(
        cognito,
        "_delete_user_pool",
        delete,
        holding=("pool, err = _resolve_pool(pid)", "del _user_pools[pid]"),
    )
