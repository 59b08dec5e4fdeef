# The public names, once: `runtime/__init__.py` loads each from here on first use.

from .clients.email import (
    Attachment as Attachment,
)
from .clients.email import (
    Recipients as Recipients,
)
from .clients.resources import Resources as Resources
from .clients.sqs import SqsMessage as SqsMessage
from .commands.collect import collect_large_attributes as collect_large_attributes
from .commands.erase import erase as erase
from .commands.partial import REMOVE as REMOVE
from .commands.service import CommandService as CommandService
from .entry.app import CqrsApp as CqrsApp
from .entry.http.module_bodies import SearchQuery as SearchQuery
from .entry.http.module_routes import module_routes as module_routes
from .entry.http.openapi import openapi_routes as openapi_routes
from .errors import (
    BadRequestError as BadRequestError,
)
from .errors import (
    BatchDeliveryError as BatchDeliveryError,
)
from .errors import (
    ConfigurationError as ConfigurationError,
)
from .errors import (
    ContentionError as ContentionError,
)
from .errors import (
    CorruptRowError as CorruptRowError,
)
from .errors import (
    CqrsError as CqrsError,
)
from .errors import (
    DeliveryError as DeliveryError,
)
from .errors import (
    FieldProblem as FieldProblem,
)
from .errors import (
    ForbiddenError as ForbiddenError,
)
from .errors import (
    HandlersPendingError as HandlersPendingError,
)
from .errors import (
    InvalidInputError as InvalidInputError,
)
from .errors import (
    InvalidVersionError as InvalidVersionError,
)
from .errors import (
    ItemNotFoundError as ItemNotFoundError,
)
from .errors import (
    NewerSchemaError as NewerSchemaError,
)
from .errors import (
    OutcomeUnknownError as OutcomeUnknownError,
)
from .errors import (
    PreviousVersionPending as PreviousVersionPending,
)
from .errors import (
    PublishIdReusedError as PublishIdReusedError,
)
from .errors import (
    StoreRefusedError as StoreRefusedError,
)
from .errors import (
    StoreUnavailableError as StoreUnavailableError,
)
from .errors import (
    UnknownEventError as UnknownEventError,
)
from .errors import (
    UnknownTriggerError as UnknownTriggerError,
)
from .errors import (
    UpcastError as UpcastError,
)
from .errors import (
    VersionConflictError as VersionConflictError,
)
from .identity.access import (
    check_role as check_role,
)
from .identity.access import (
    requires_role as requires_role,
)
from .identity.context import (
    HEADER_TENANT_CODE as HEADER_TENANT_CODE,
)
from .identity.context import (
    ROLE_SYSTEM_ADMIN as ROLE_SYSTEM_ADMIN,
)
from .identity.context import (
    InvokeContext as InvokeContext,
)
from .identity.context import (
    UserContext as UserContext,
)
from .identity.context import (
    current_invoke_context as current_invoke_context,
)
from .identity.context import (
    get_command_source as get_command_source,
)
from .identity.context import (
    get_user_context as get_user_context,
)
from .identity.context import (
    require_invoke_context as require_invoke_context,
)
from .model.handler_registry import data_sync_handler as data_sync_handler
from .model.handlers import DataSyncHandler as DataSyncHandler
from .model.item_list import ItemList as ItemList
from .model.keys import (
    KEY_SEPARATOR as KEY_SEPARATOR,
)
from .model.keys import (
    VER_SEPARATOR as VER_SEPARATOR,
)
from .model.keys import (
    VERSION_FIRST as VERSION_FIRST,
)
from .model.keys import (
    VERSION_LATEST as VERSION_LATEST,
)
from .model.keys import (
    DetailKey as DetailKey,
)
from .model.keys import (
    add_sort_key_version as add_sort_key_version,
)
from .model.keys import (
    generate_id as generate_id,
)
from .model.keys import (
    get_sort_key_version as get_sort_key_version,
)
from .model.keys import (
    get_tenant_code as get_tenant_code,
)
from .model.keys import (
    remove_sort_key_version as remove_sort_key_version,
)
from .model.keys import (
    sort_key_base_from_id as sort_key_base_from_id,
)
from .model.models import (
    CommandInputModel as CommandInputModel,
)
from .model.models import (
    CommandModel as CommandModel,
)
from .model.models import (
    CqrsModel as CqrsModel,
)
from .model.models import (
    DataListModel as DataListModel,
)
from .model.models import (
    DataModel as DataModel,
)
from .module import CommandModule as CommandModule
from .pipeline.reconcile import reconcile as reconcile
from .pipeline.repair import (
    redrive as redrive,
)
from .pipeline.repair import (
    skip as skip,
)
from .queries.data import DataService as DataService
from .queries.history import HistoryService as HistoryService
from .queries.repository import Repository as Repository
from .queries.sessions import SessionService as SessionService
from .settings import Settings as Settings
from .store.retention import TtlService as TtlService
from .store.sort_key import SortKeyCondition as SortKeyCondition
