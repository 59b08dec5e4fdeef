"""CQRS and event sourcing on DynamoDB: what runs in the functions.

Names are loaded on first use, so a function imports what it needs and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.access import check_role, requires_role
    from runtime.app import CqrsApp
    from runtime.commands.erase import erase
    from runtime.commands.item_list import ItemList
    from runtime.commands.partial_update import REMOVE
    from runtime.commands.sort_key import SortKeyCondition
    from runtime.context import (
        HEADER_TENANT_CODE,
        ROLE_SYSTEM_ADMIN,
        InvokeContext,
        UserContext,
        current_invoke_context,
        get_command_source,
        get_user_context,
        require_invoke_context,
    )
    from runtime.errors import (
        BadRequestError,
        BatchDeliveryError,
        ConfigurationError,
        CorruptRowError,
        CqrsError,
        DeliveryError,
        FieldProblem,
        ForbiddenError,
        HandlersPendingError,
        InvalidInputError,
        InvalidVersionError,
        ItemNotFoundError,
        PreviousVersionPending,
        UnknownEventError,
        VersionConflictError,
    )
    from runtime.handlers import DataSyncHandler
    from runtime.http.module_bodies import SearchQuery
    from runtime.http.module_routes import module_routes
    from runtime.http.openapi import openapi_routes
    from runtime.keys import (
        KEY_SEPARATOR,
        VER_SEPARATOR,
        VERSION_FIRST,
        VERSION_LATEST,
        DetailKey,
        add_sort_key_version,
        generate_id,
        get_sort_key_version,
        get_tenant_code,
        remove_sort_key_version,
        sort_key_base_from_id,
    )
    from runtime.messaging.email_parts import Attachment, Recipients
    from runtime.messaging.sqs import SqsMessage
    from runtime.models import CommandInputModel, CommandModel, CqrsModel, DataListModel, DataModel
    from runtime.module import CommandModule
    from runtime.pipeline.reconcile import reconcile
    from runtime.pipeline.repair import redrive, skip
    from runtime.registration import data_sync_handler
    from runtime.resources import Resources
    from runtime.settings import Settings
    from runtime.storage.collect import collect_large_attributes

_HOMES = {
    "access": ("check_role", "requires_role"),
    "app": ("CqrsApp",),
    "commands.erase": ("erase",),
    "commands.item_list": ("ItemList",),
    "commands.partial_update": ("REMOVE",),
    "commands.sort_key": ("SortKeyCondition",),
    "context": (
        "HEADER_TENANT_CODE",
        "ROLE_SYSTEM_ADMIN",
        "InvokeContext",
        "UserContext",
        "current_invoke_context",
        "get_command_source",
        "get_user_context",
        "require_invoke_context",
    ),
    "errors": (
        "BadRequestError",
        "BatchDeliveryError",
        "ConfigurationError",
        "CorruptRowError",
        "CqrsError",
        "DeliveryError",
        "FieldProblem",
        "ForbiddenError",
        "HandlersPendingError",
        "InvalidInputError",
        "InvalidVersionError",
        "ItemNotFoundError",
        "PreviousVersionPending",
        "UnknownEventError",
        "VersionConflictError",
    ),
    "handlers": ("DataSyncHandler",),
    "http.module_bodies": ("SearchQuery",),
    "http.module_routes": ("module_routes",),
    "http.openapi": ("openapi_routes",),
    "keys": (
        "KEY_SEPARATOR",
        "VERSION_FIRST",
        "VERSION_LATEST",
        "VER_SEPARATOR",
        "DetailKey",
        "add_sort_key_version",
        "generate_id",
        "get_sort_key_version",
        "get_tenant_code",
        "remove_sort_key_version",
        "sort_key_base_from_id",
    ),
    "messaging.email_parts": ("Attachment", "Recipients"),
    "messaging.sqs": ("SqsMessage",),
    "models": ("CommandInputModel", "CommandModel", "CqrsModel", "DataListModel", "DataModel"),
    "module": ("CommandModule",),
    "pipeline.reconcile": ("reconcile",),
    "pipeline.repair": ("redrive", "skip"),
    "registration": ("data_sync_handler",),
    "resources": ("Resources",),
    "settings": ("Settings",),
    "storage.collect": ("collect_large_attributes",),
}
_MODULE_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "HEADER_TENANT_CODE",
    "KEY_SEPARATOR",
    "REMOVE",
    "ROLE_SYSTEM_ADMIN",
    "VERSION_FIRST",
    "VERSION_LATEST",
    "VER_SEPARATOR",
    "Attachment",
    "BadRequestError",
    "BatchDeliveryError",
    "CommandInputModel",
    "CommandModel",
    "CommandModule",
    "ConfigurationError",
    "CorruptRowError",
    "CqrsApp",
    "CqrsError",
    "CqrsModel",
    "DataListModel",
    "DataModel",
    "DataSyncHandler",
    "DeliveryError",
    "DetailKey",
    "FieldProblem",
    "ForbiddenError",
    "HandlersPendingError",
    "InvalidInputError",
    "InvalidVersionError",
    "InvokeContext",
    "ItemList",
    "ItemNotFoundError",
    "PreviousVersionPending",
    "Recipients",
    "Resources",
    "SearchQuery",
    "Settings",
    "SortKeyCondition",
    "SqsMessage",
    "UnknownEventError",
    "UserContext",
    "VersionConflictError",
    "add_sort_key_version",
    "check_role",
    "collect_large_attributes",
    "current_invoke_context",
    "data_sync_handler",
    "erase",
    "generate_id",
    "get_command_source",
    "get_sort_key_version",
    "get_tenant_code",
    "get_user_context",
    "module_routes",
    "openapi_routes",
    "reconcile",
    "redrive",
    "remove_sort_key_version",
    "require_invoke_context",
    "requires_role",
    "skip",
    "sort_key_base_from_id",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
