"""Formats of numbers: rows that sequences read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.features.masters.keys import MASTER, format_key
from runtime.features.masters.numbering import RowNumbers, Table
from runtime.features.masters.publish import living
from runtime.features.masters.row_writer import RowWrite, RowWriter, command_of, state_of
from runtime.features.masters.write import checked_name
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from runtime.commands.options import PublishOptions
    from runtime.features.masters.access import MasterAccess
    from runtime.features.masters.data_rows import UpsertResult
    from runtime.identity.context import InvokeContext
    from runtime.model.models import CommandModel, DataModel
    from runtime.module import CommandModule

__all__ = ["FORMATS_PREFIX", "MasterFormats", "check_format"]

_TABLE: Final = "MASTER_DATA"
FORMATS_PREFIX: Final = _TABLE + KEY_SEPARATOR
"""What the sort keys of all formats begin with."""
_FIELDS: Final = ("format", "startMonth", "registerDate", "rotateBy", "timezone")


class MasterFormats:
    """How numbers are printed in a tenant, in place of the formats in the code. Made by `MasterData`.

    Args:
        module: The module of masters.
        access: Who may do what.
    """

    def __init__(self, module: CommandModule[Any], access: MasterAccess) -> None:
        self._module = module
        self._access = access
        self._writer = RowWriter(module, access)

    def upsert(
        self,
        type_code: str,
        attributes: Mapping[str, Any],
        *,
        name: str | None = None,
        tenant_code: str | None = None,
        **options: Unpack[PublishOptions],
    ) -> UpsertResult:
        """Say how the numbers of a type are printed in a tenant; it takes a role for all tenants.

        Args:
            type_code: Type of the numbers.
            attributes: ``format``, and perhaps ``startMonth`` (1 to 12), ``registerDate``, ``rotateBy`` and
                ``timezone``; what they leave out is that of the series in the code.
            name: Name for people. Default: as it is, or the type.
            tenant_code: Default: the tenant of the request.
            **options: See `PublishOptions`.

        Raises:
            InvalidInputError: A field is wrong.
            ForbiddenError: The caller has no role for all tenants.
        """
        tenant = self._tenant(tenant_code, options.get("invoke_context"))
        key = format_key(tenant, type_code)
        said = check_format(type_code, attributes)
        if name is not None:
            checked_name(name)

        def change(latest: CommandModel[Any] | None, _numbers: RowNumbers) -> dict[str, Any]:
            kept = None if latest is None or latest.is_deleted else latest.name
            state = {"code": type_code, "name": name or kept or type_code, "type": MASTER, "seq": None}
            return {**state, "attributes": said}

        asked = RowWrite(Table(tenant, _TABLE), key, change)
        result = self._writer.write([asked], options, checks=False)[0]
        if result.error is not None:
            raise result.error
        return result

    def delete(
        self, type_code: str, *, tenant_code: str | None = None, **options: Unpack[PublishOptions]
    ) -> CommandModel[Any]:
        """Go back to the format in the code.

        Raises:
            ItemNotFoundError: There is none.
            ForbiddenError: The caller has no role for all tenants.
        """
        tenant = self._tenant(tenant_code, options.get("invoke_context"))
        asked = RowWrite(
            Table(tenant, _TABLE),
            format_key(tenant, type_code),
            lambda latest, _numbers: {**state_of(living(latest)), "is_deleted": True},
        )
        return command_of(self._writer.write([asked], options, checks=False)[0])

    def get(
        self, type_code: str, *, tenant_code: str | None = None, invoke_context: InvokeContext | None = None
    ) -> DataModel[Any] | None:
        """The format of a type in a tenant; None where it is that of the code.

        Raises:
            ForbiddenError: The caller may not read the tenant's rows.
        """
        tenant = self._access.tenant(tenant_code, invoke_context, write=False)
        self._access.check_read(tenant, invoke_context)
        row = self._module.data.get_item(format_key(tenant, type_code), invoke_context=invoke_context)
        return None if row is None or row.is_deleted else row

    def _tenant(self, tenant_code: str | None, invoke_context: InvokeContext | None) -> str:
        self._access.check_operate(invoke_context)
        return self._access.tenant(tenant_code, invoke_context, write=True)


def check_format(type_code: str, attributes: object) -> dict[str, Any]:
    """What a format says, checked as sequences read it: nothing that they would refuse is stored.

    Raises:
        InvalidInputError: A field is wrong, or unknown.
    """
    # Masters do without sequences, but where somebody says how numbers look.
    from runtime.features.sequences.settings import series_of  # noqa: PLC0415

    if not isinstance(attributes, Mapping):
        message = f"must be an object, got {type(attributes).__name__}"
        raise InvalidInputError([FieldProblem("attributes", message)])
    problems = [
        FieldProblem(f"attributes.{name}", f"is unknown; a format has {', '.join(_FIELDS)}")
        for name in attributes
        if name not in _FIELDS
    ]
    text = attributes.get("format")
    if not isinstance(text, str) or not text.strip():
        problems.append(FieldProblem("attributes.format", "is required: a text such as INV-%%no#:0>6%%"))
    if problems:
        raise InvalidInputError(problems)
    series_of(type_code, attributes, None, field="attributes")
    return dict(attributes)
