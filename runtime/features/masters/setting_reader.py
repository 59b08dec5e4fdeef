"""Reading what a setting is resolved of, and remembering it for a while."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, TypedDict

from runtime.errors import FieldProblem, InvalidInputError, ModuleMismatchError
from runtime.features.masters.resolve import Asker, SettingRow, SettingRows
from runtime.identity.context import current_invoke_context
from runtime.identity.user import user_in
from runtime.store.cached import Cached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.features.masters.parts import MasterParts
    from runtime.identity.context import InvokeContext

__all__ = ["ForWhom", "SettingReader"]

_REGISTRY_MODULE = "tenant"


class ForWhom(TypedDict, total=False):
    """For whom a setting is resolved.

    Attributes:
        user_id: The user. Default: whoever asks, unless ``tenant_code`` is given.
        roles: The user's roles, in the order in which their groups count. Default: as ``user_id``.
        tenant_code: The tenant. Default: that of the request.
    """

    user_id: str | None
    roles: Sequence[str]
    tenant_code: str | None


class SettingReader:
    """Reads the rows of settings.

    Args:
        master: The feature.
    """

    def __init__(self, master: MasterParts) -> None:
        self._master = master
        self._cache: Cached[tuple[str, Asker], tuple[SettingRow, ...]] = Cached(
            self._read, seconds=master.cache.total_seconds()
        )

    def rows(self, code: str, asker: Asker, *, consistent: bool) -> tuple[SettingRow, ...]:
        """The live rows that a setting is given in, from what counts most to what counts least."""
        # A copy: whoever changes what they were given changes nobody else's.
        return deepcopy(self._cache.get((code, asker), consistent=consistent))

    def forget(self) -> None:
        """Remember nothing of what was read: somebody else has written."""
        self._cache.forget()

    def asker(
        self,
        invoke_context: InvokeContext | None,
        *,
        user_id: str | None = None,
        roles: Sequence[str] = (),
        tenant_code: str | None = None,
    ) -> Asker:
        """For whom a setting is resolved: see `ForWhom`.

        Raises:
            InvalidInputError: Roles are no list, or there is no tenant.
            ForbiddenError: The caller may not read for them.
        """
        context = invoke_context or current_invoke_context()
        if isinstance(roles, str):
            raise InvalidInputError([FieldProblem("roles", "must be a list of names")])
        access = self._master.access
        tenant = access.tenant(tenant_code, context, write=False)
        access.check_read(tenant, context)
        if context is not None and tenant_code is None and user_id is None and not roles:
            user = user_in(tenant, context)
            first = (user.tenant_role,) if user.tenant_role else ()
            return Asker(tenant, user.user_id, tuple(dict.fromkeys((*first, *user.tenant_roles))))
        access.check_sees(tenant, user_id, context)
        return Asker(tenant, user_id, tuple(roles))

    def _read(self, key: tuple[str, Asker], /, *, consistent: bool) -> tuple[SettingRow, ...]:
        code, asker = key
        rows = SettingRows(self._master.module.context, self._registry(), self._master.access.common_tenant)
        return rows.read(code, asker, consistent=consistent)

    def _registry(self) -> str | None:
        try:
            return self._master.resources.settings.tables_of(_REGISTRY_MODULE).data
        except ModuleMismatchError:
            return None  # no tenants are deployed, so no role has groups
