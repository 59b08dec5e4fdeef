"""The registry of tenants: one aggregate each, in a module of its own."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import (
    ConfigurationError,
    FieldProblem,
    InvalidInputError,
    TenantSetupError,
)
from runtime.features.feature import Feature
from runtime.features.operation import Operation
from runtime.features.tenants.access import Access, check_attributes
from runtime.features.tenants.admission import Admission
from runtime.features.tenants.codes import (
    SK,
    TYPE,
    checked_code,
    checked_group,
    checked_text,
    common_code,
    is_reserved,
    key_of,
)
from runtime.features.tenants.groups import customised, with_group, without_group
from runtime.features.tenants.rows import TenantRows
from runtime.features.tenants.tenant import REASON, SETTING, STATE, Tenant, TenantPage, TenantState, state_in
from runtime.identity.context import use_invoke_context
from runtime.identity.publish_ids import part_of
from runtime.imports import FunctionReference, check_done
from runtime.log import logger
from runtime.module import CommandModule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from runtime.clients.resources import Resources
    from runtime.identity.context import InvokeContext
    from runtime.model.models import CommandModel, DataModel
    from runtime.settings import Settings

    Attributes = dict[str, Any]
    Row = CommandModel[Any] | DataModel[Any]
    Change = Callable[[Row], Mapping[str, Any] | None]

__all__ = ["TenantModule"]

_OPERATIONS: Final = "runtime.entry.operator.features.tenants"
_PAGE: Final = ("limit", "resumeToken")


class TenantModule(Feature):
    """The tenants of a service, each with a state, and with the groups that its roles' settings come from.

    Every call but `get_tenant` is refused to whoever has no role across all tenants
    (``CROSS_TENANT_ROLES``), but for what a tenant's own administrators may change. A call
    outside of a request, without an ``invoke_context``, is the service's own and may do anything. In a
    request with the header ``Idempotency-Key`` a repeated write has the first one's result; that takes a call
    more. A write goes on while others are faster at the tenant; where they are so a hundred times, it ends
    with `ContentionError` (503): nothing was written, and it may be called again.

    Example:
        >>> tenants = TenantModule(enforce=True)
        >>> app = CqrsApp(modules=[order], features=[tenants], routes=[tenant_routes(tenants)])
        >>> acme = tenants.create_tenant("acme", "Acme Inc.", attributes={"plan": "pro"})
        >>> tenants.set_state("acme", TenantState.SUSPENDED, reason="unpaid")

    Args:
        enforce: Serve registered, active tenants only, on every route of the app. Who crosses all
            tenants is served whatever their own is. A state is remembered for a minute in each container.
        on_create: Makes what a new tenant begins with. Until it has returned the tenant is ``creating``, and
            not served. It runs in the call that creates the tenant, as whoever does that, and again
            where that call did not come to its end: it has to do the same when it is repeated. It may be an
            import path, such as ``"shop.seeds:seed"``.
        admin_roles: Roles of those who may change the name and the attributes of their own tenant, except for
            ``plan``, ``limits`` and what has calls of its own.

    Raises:
        ConfigurationError: ``on_create`` is no function, or ``admin_roles`` are no names.
    """

    name = "tenant"
    part = "tenants=True"
    operations: Mapping[str, Operation | str] = MappingProxyType({
        "listTenants": Operation(f"{_OPERATIONS}:list_tenants", ("state", *_PAGE)),
        "showTenant": Operation(f"{_OPERATIONS}:show_tenant", ("tenant",)),
        "createTenant": Operation(f"{_OPERATIONS}:create_tenant", ("tenant", "name", "attributes")),
        "setTenantState": Operation(f"{_OPERATIONS}:set_tenant_state", ("tenant", "state", "reason")),
    })  # fmt: skip

    def __init__(
        self,
        *,
        enforce: bool = False,
        on_create: Callable[[Tenant], None] | str | None = None,
        admin_roles: Collection[str] = ("tenant_admin",),
    ) -> None:
        if isinstance(admin_roles, str) or not all(isinstance(role, str) and role for role in admin_roles):
            msg = f"admin_roles must be a list of names of roles, got {admin_roles!r}"
            raise ConfigurationError(msg)
        self.module = CommandModule(self.name)
        self.module.routes_by = "tenant_routes"
        self.modules = (self.module,)
        self.enforce = enforce
        self._on_create = (
            None
            if on_create is None
            else FunctionReference.of(on_create, "an on_create function", ("tenant",))
        )
        self._admin_roles = frozenset(admin_roles)
        self._admission = Admission(lambda: self.module.context)
        self._rows = TenantRows(self.module, self._admission.forget)

    # What the app asks

    @property
    def guards_requests(self) -> bool:
        """Whether `admit` is asked."""
        return self.enforce

    def admit(self, tenant_code: str, invoke_context: InvokeContext) -> None:
        """Refuse a request of a tenant that is not registered, or not active; see `Feature.admit`."""
        self._admission.check(tenant_code, invoke_context)

    def use(self, resources: Resources) -> None:
        """Work with these settings and clients; see `Feature.use`."""
        super().use(resources)
        self._admission.forget()

    # Reading

    def get_tenant(self, code: str, *, invoke_context: InvokeContext | None = None) -> Tenant | None:
        """A tenant, or None. One call; strongly consistent.

        Args:
            code: Its code, in upper or lower case.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: There can be no such code.
            ForbiddenError: It is another tenant than that of the caller.
        """
        code = checked_code(code)
        found = self.module.data.get_item(
            key_of(code), consistent=True, invoke_context=self._access(invoke_context).reader
        )
        if found is None or found.is_deleted:
            return None
        return Tenant.of(code, name=found.name, attributes=found.attributes, version=found.version)

    def list_tenants(
        self,
        *,
        state: TenantState | str | None = None,
        limit: int = 100,
        resume_from: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> TenantPage:
        """One page of the tenants, in no order. It is a scan: half a read unit for each 4 KB, one call.

        Args:
            state: Only those in this state. Default: all of them.
            limit: Rows to look at, 1 to 1000.
            resume_from: ``resume_token`` of the page before.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: An argument is out of range.
            ForbiddenError: The caller has no role that crosses all tenants; or the request reaches its rows
                in a session of one tenant.
        """
        self._access(invoke_context).check_list()
        wanted = None if state is None else _state(state)
        from runtime.features.tenants.listing import read_page  # noqa: PLC0415 - with boto3 behind it

        page = read_page(self.module.context, limit=limit, resume_from=resume_from)
        return TenantPage(
            [tenant for tenant in page.items if wanted is None or tenant.state is wanted], page.resume_token
        )

    def iter_tenants(
        self, *, state: TenantState | str | None = None, invoke_context: InvokeContext | None = None
    ) -> Iterator[Tenant]:
        """Every tenant, in no order; see `list_tenants`. One call for each 1000 rows."""
        # Who asks is settled at once, as are the arguments.
        access = self._access(invoke_context)
        access.check_list()
        return self._every(None if state is None else _state(state), access.reader)

    # Writing

    def create_tenant(
        self,
        code: str,
        name: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Tenant:
        """Register a tenant. Two calls; with ``on_create`` three more after it.

        One that was deleted comes back with what is given here, and nothing of what it had. One whose
        ``on_create`` did not come to its end is gone on with, where the call is the same.

        Args:
            code: Its code: letters a to z, digits and ``-``, at most 50; upper case becomes lower case.
            name: Name for people.
            attributes: The service's own fields.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: There is a tenant with this code, it is none, or is that of a common tenant.
            ForbiddenError: The caller has no role that crosses all tenants.
            TenantSetupError: It is registered, and ``on_create`` has failed.
        """
        access = self._access(invoke_context)
        access.check_everywhere()
        code = checked_code(code)
        if is_reserved(code, self._settings):
            message = "is that of the common tenant; it has a call of its own"
            raise InvalidInputError([FieldProblem("code", message)])
        return self._create("create_tenant", access, code, code, name, attributes)

    def create_common_tenant(
        self,
        name: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Tenant:
        """Register the common tenant: the first of ``COMMON_TENANT_CODES``. See `create_tenant`."""
        access = self._access(invoke_context)
        access.check_everywhere()
        code = common_code(self._settings)
        return self._create("create_common_tenant", access, code, "common", name, attributes)

    def update_tenant(
        self,
        code: str,
        *,
        name: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Tenant:
        """Change the name of a tenant, or some of its attributes. What is not given stays.

        Args:
            code: Its code.
            name: Name for people. Default: as it is.
            attributes: Those that are to change, each as a whole; `REMOVE` takes one away. Default: none.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: A field is wrong, has a call of its own, or is not for the caller to change; or
                the tenant is closed.
            ItemNotFoundError: There is no such tenant.
            ForbiddenError: The caller is no administrator of it.
        """
        from runtime.commands.change import REMOVE  # noqa: PLC0415 - for who changes tenants alone

        code = checked_code(code)
        access, given = self._access(invoke_context), check_attributes(attributes)
        access.check_update(code, given, self._admin_roles)
        new_name = None if name is None else checked_text(name, "name")

        def change(row: Row) -> Mapping[str, Any]:
            merged = {**(row.attributes or {}), **given}
            left = {field: value for field, value in merged.items() if value is not REMOVE}
            return {"name": row.name if new_name is None else new_name, "attributes": left}

        return self._rows.change("update_tenant", access, code, change)

    def set_state(
        self,
        code: str,
        state: TenantState | str,
        *,
        reason: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Tenant:
        """Suspend, close or activate a tenant. Containers go by it within a minute.

        To activate one that is still being created runs ``on_create`` once more, before it is active.

        Args:
            code: Its code.
            state: ``active``, ``suspended`` or ``closed``. One that is closed may be opened again.
            reason: Why, for people. Required unless it is activated.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: A field is wrong, or the tenant is still being created.
            ItemNotFoundError: There is no such tenant.
            ForbiddenError: The caller has no role that crosses all tenants.
            TenantSetupError: ``on_create`` has failed.
        """
        access = self._access(invoke_context)
        access.check_everywhere()
        code, wanted = checked_code(code), _state(state)
        if wanted is TenantState.CREATING:
            raise InvalidInputError([FieldProblem("state", "must be active, suspended or closed")])
        if reason is None and wanted is not TenantState.ACTIVE:
            raise InvalidInputError([FieldProblem("reason", "is required: why, for people")])
        why = None if reason is None else checked_text(reason, "reason", most=1000)

        def change(row: Row) -> Mapping[str, Any] | None:
            if state_in(row.attributes or {}) is not TenantState.CREATING:
                return {"attributes": _in_state(row.attributes, wanted, why)}
            if wanted is TenantState.ACTIVE:
                return None
            message = "the tenant is still being created: activate it, or delete it"
            raise InvalidInputError([FieldProblem("state", message)])

        found = self._rows.change("set_state", access, code, change, closed_too=True)
        return self._set_up(access, found, why) if found.state is TenantState.CREATING else found

    def delete_tenant(self, code: str, *, invoke_context: InvokeContext | None = None) -> None:
        """Delete a tenant softly: it is not there any more, and its code may be registered again.

        Its data stays. Of one that is being created, wait until that has ended.

        Raises:
            ItemNotFoundError: There is no such tenant.
            ForbiddenError: The caller has no role that crosses all tenants.
        """
        access = self._access(invoke_context)
        access.check_everywhere()
        self._rows.change(
            "delete_tenant", access, checked_code(code), lambda _row: {"isDeleted": True}, closed_too=True
        )

    def add_tenant_group(
        self, code: str, role: str, group_id: str, *, invoke_context: InvokeContext | None = None
    ) -> Tenant:
        """Add a group to a role of a tenant. Nothing changes where the role has it.

        In the automatic order it goes where it belongs: what has more levels (``#``) comes first, then
        by text. In a customised one it is the last.

        Args:
            code: Code of the tenant.
            role: Name of the role.
            group_id: Id of the group; one of several levels has ``#`` between them.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: A field is wrong, or the tenant is closed.
            ItemNotFoundError: There is no such tenant.
            ForbiddenError: The caller has no role that crosses all tenants.
        """
        group = checked_group(group_id, "group_id")
        return self._regroup(
            "add_tenant_group", code, role, invoke_context, lambda setting: with_group(setting, role, group)
        )

    def remove_tenant_group(
        self, code: str, role: str, group_id: str, *, invoke_context: InvokeContext | None = None
    ) -> Tenant:
        """Take a group from a role of a tenant. Nothing changes where the role does not have it.

        A role without groups is not there any more. For the arguments see `add_tenant_group`.
        """
        group = checked_group(group_id, "group_id")
        return self._regroup(
            "remove_tenant_group",
            code,
            role,
            invoke_context,
            lambda setting: without_group(setting, role, group),
        )

    def customize_setting_groups(
        self,
        code: str,
        role: str,
        setting_groups: Sequence[str] | None,
        *,
        invoke_context: InvokeContext | None = None,
    ) -> Tenant:
        """Say in which order settings are looked up in a role's groups. Its groups stay what they are.

        Args:
            code: Code of the tenant.
            role: Name of the role.
            setting_groups: Groups of the role, in order. None: the automatic order, again.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: The role has no groups, a group is none of the role's or there twice, or the
                tenant is closed.
            ItemNotFoundError: There is no such tenant.
            ForbiddenError: The caller has no role that crosses all tenants.
        """
        if isinstance(setting_groups, str) or not isinstance(setting_groups, list | tuple | None):
            message = "must be a list of groups, or None for the automatic order"
            raise InvalidInputError([FieldProblem("setting_groups", message)])
        return self._regroup(
            "customize_setting_groups",
            code,
            role,
            invoke_context,
            lambda setting: customised(setting, role, setting_groups),
        )

    def create_tenant_group(
        self,
        group_code: str,
        code: str,
        name: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Note that a tenant belongs to a group of tenants: a row under the group. Two calls.

        Args:
            group_code: Code of the group, of the form of a tenant's.
            code: Code of the tenant.
            name: Name for people.
            attributes: The service's own fields.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: A field is wrong, or the group has it.
            ForbiddenError: The caller has no role that crosses all tenants.
        """
        access = self._access(invoke_context)
        access.check_everywhere()
        group, code = checked_code(group_code, "group_code"), checked_code(code)
        state = {
            "code": code,
            "name": checked_text(name, "name"),
            "type": TYPE,
            "isDeleted": False,
            "attributes": check_attributes(attributes),
        }
        message = "is in this group already"
        self._rows.create("create_tenant_group", access.writer(group), key_of(group, code), state, message)

    # Inside

    @property
    def _settings(self) -> Settings:
        return self.module.context.settings

    def _access(self, invoke_context: InvokeContext | None) -> Access:
        return Access(invoke_context, self._settings)

    def _every(self, state: TenantState | None, reader: InvokeContext | None) -> Iterator[Tenant]:
        token: str | None = None
        while True:
            page = self.list_tenants(state=state, limit=1000, resume_from=token, invoke_context=reader)
            yield from page.items
            token = page.resume_token
            if token is None:
                return

    def _create(  # noqa: PLR0917 - the parts of a row
        self,
        method: str,
        access: Access,
        code: str,
        kind: str,
        name: str,
        attributes: Mapping[str, Any] | None,
    ) -> Tenant:
        own = check_attributes(attributes)
        if self._on_create is not None:
            own[STATE] = TenantState.CREATING.value
        state = {
            "code": SK,
            "name": checked_text(name, "name"),
            "type": kind,
            "isDeleted": False,
            "attributes": own,
        }
        message = "is that of a tenant that is there already"
        published = self._rows.create(method, access.writer(code), key_of(code), state, message)
        tenant = Tenant.of(
            code, name=published.name, attributes=published.attributes, version=published.version
        )
        return self._set_up(access, tenant, None) if tenant.state is TenantState.CREATING else tenant

    def _set_up(self, access: Access, tenant: Tenant, reason: str | None) -> Tenant:
        """Let ``on_create`` do what it does, and the tenant be active after that."""
        writer = access.writer(tenant.code)
        own = writer.publish_id
        # A repeat of a request finds the tenant as that has made it, and perhaps as it has long been.
        is_done = own is not None and not self._is_creating(tenant.code, writer)
        if self._on_create is not None and not is_done:
            try:
                with use_invoke_context(writer, self._settings):
                    check_done(self._on_create.function(tenant), "on_create")
            except Exception as error:
                logger.error("on_create failed", error=type(error).__name__)
                raise TenantSetupError(tenant.code, type(error).__name__) from error

        def change(row: Row) -> Mapping[str, Any] | None:
            if state_in(row.attributes or {}) is not TenantState.CREATING:
                return None  # somebody else was as far, and perhaps has suspended it since
            return {"attributes": _in_state(row.attributes, TenantState.ACTIVE, reason)}

        publish_id = None if own is None else part_of(own, "on_create")
        return self._rows.change(
            "on_create", access, tenant.code, change, closed_too=True, publish_id=publish_id
        )

    def _is_creating(self, code: str, reader: InvokeContext) -> bool:
        found = self.get_tenant(code, invoke_context=reader)
        return found is not None and found.state is TenantState.CREATING

    def _regroup(
        self,
        method: str,
        code: str,
        role: str,
        invoke_context: InvokeContext | None,
        regrouped: Callable[[object], list[Any] | None],
    ) -> Tenant:
        access = self._access(invoke_context)
        access.check_everywhere()
        code = checked_code(code)
        checked_text(role, "role")

        def change(row: Row) -> Mapping[str, Any] | None:
            attributes = row.attributes or {}
            setting = regrouped(attributes.get(SETTING))
            return None if setting is None else {"attributes": {**attributes, SETTING: setting}}

        return self._rows.change(method, access, code, change)


def _state(value: object) -> TenantState:
    """A state that a caller names.

    Raises:
        InvalidInputError: There is none.
    """
    try:
        return TenantState(str(value))
    except ValueError:
        message = f"must be one of {', '.join(TenantState)}"
        raise InvalidInputError([FieldProblem("state", message)]) from None


def _in_state(attributes: Attributes | None, state: TenantState, reason: str | None) -> Attributes:
    """The attributes of a tenant in another state."""
    kept = {name: value for name, value in (attributes or {}).items() if name not in {STATE, REASON}}
    return {**kept, STATE: state.value} | ({} if reason is None else {REASON: reason})
