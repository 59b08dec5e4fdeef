"""Tables that a new stack finds there: kept by a former one, or left by a deployment that rolled back.

CloudFormation refuses to make a table whose name is taken ("Resource of type ... with
identifier ... already exists"), gives a table without a name a name that nobody has, and takes
a table over where the change set says ImportExistingResources
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html),
a global table, too
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-supported-resources.html).

Stock makes the table all the same, and empties the one that is there, however it is protected;
it knows plain tables only when it imports.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import dynamodb
from ministack.services.cloudformation import changesets, provisioners

from ..patching import replace

__all__ = ["apply"]

_PLAIN, _GLOBAL = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"


def apply() -> None:
    """Leave tables alone that are there, and import global ones."""
    _refuse_taken_names(_PLAIN, "_ddb_create", holding='name = props.get("TableName") or _physical_name(')
    # It has been replaced once, by the patch for deletion protection.
    _refuse_taken_names(_GLOBAL, "_ddb_global_table_create", holding="_with_protection(props)")
    if "import" not in provisioners._RESOURCE_HANDLERS[_GLOBAL]:
        provisioners._RESOURCE_HANDLERS[_GLOBAL]["import"] = provisioners._ddb_import
        changesets._IMPORT_LOOKUPS[_GLOBAL] = changesets._IMPORT_LOOKUPS[_PLAIN]


def _refuse_taken_names(kind: str, name: str, *, holding: str) -> None:
    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        wanted = props.get("TableName")
        if wanted in dynamodb._tables:
            message = f"Resource of type '{kind}' with identifier '{wanted}' already exists."
            raise ValueError(message)
        if (
            not wanted
            and provisioners._physical_name(stack_name, logical_id, max_len=255) in dynamodb._tables
        ):
            # As stock has it for buckets: the seed stays with the resource, so updates know the name.
            provisioners._NAME_SEED.set(new_uuid()[:8])
        return stock(logical_id, props, stack_name)

    stock = replace(provisioners, name, create, holding=(holding,))
    provisioners._RESOURCE_HANDLERS[kind]["create"] = create
