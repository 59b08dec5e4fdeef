"""Rows of code tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.commands.change import merged
from runtime.commands.module_service import ModuleService
from runtime.commands.options import publish_id_of
from runtime.errors import CqrsError, FieldProblem, InvalidInputError, RowExistsError
from runtime.features.masters.data_rows import GivenRow, RowChanges, UpsertResult, checked, given_rows
from runtime.features.masters.formats import MasterFormats
from runtime.features.masters.keys import MASTER, check_code, data_key, data_prefix, master_pk
from runtime.features.masters.numbering import RowNumbers, Table
from runtime.features.masters.publish import living, no_row
from runtime.features.masters.row_writer import RowWrite, RowWriter, command_of, state_of, written_by
from runtime.features.masters.rows_of_table import TableRows
from runtime.features.masters.schema_checks import SchemaChecks
from runtime.features.masters.write import checked_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Unpack

    from runtime.commands.options import PublishOptions
    from runtime.errors import RefusedRow
    from runtime.features.masters.access import MasterAccess
    from runtime.features.masters.schemas import RowSchema
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel, DataModel
    from runtime.module import CommandModule

__all__ = ["MasterData"]


class MasterData:
    """Rows of code tables: those of a setting code, each with a code of its own. Made by `MasterModule`.

    Everybody in a tenant reads; writing takes a role of the module, and for rows of the common tenant, and
    formats of numbers, a role that crosses tenants. Writes take `PublishOptions`, are applied before they
    return, and take two calls: one read, one transaction, the row's number among them. They go on while
    others are faster at the row or at the numbers of its table. Where those are so some forty times, in about
    ten seconds, it ends with `ContentionError` (503): nothing was written, and it may be called again.

    Where the setting of the code is a schema, rows are held to it: defaults are filled in, and what does not
    fit is refused by field. The tenant is that of the request unless ``tenant_code`` is given.

    Example:
        >>> master.data.create("colour", "red", "Red", attributes={"hex": "#f00"})
        >>> master.data.update("colour", "red", {"attributes": {"hex": "#e00"}})
        >>> [row.code for row in master.data.iter_data("colour")]

    Args:
        module: The module of masters.
        access: Who may do what.
    """

    def __init__(self, module: CommandModule[Any], access: MasterAccess) -> None:
        self._module = module
        self._access = access
        self._writer = RowWriter(module, access)

    # Writing

    def create(
        self,
        setting_code: str,
        code: str | None,
        name: str,
        *,
        seq: int | None = None,
        attributes: Mapping[str, Any] | None = None,
        tenant_code: str | None = None,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[Any]:
        """Make a row; one that was deleted is made anew.

        Args:
            setting_code: Code of the table.
            code: Code of the row; None for a new one that sorts by time.
            name: Name for people.
            seq: Number that rows are sorted by. Default: the next one of the table.
            attributes: The row's own fields.
            tenant_code: Default: the tenant of the request.
            **options: See `PublishOptions`.

        Raises:
            RowExistsError: There is one.
            InvalidInputError: A code is reserved, or cannot be part of a key; or the row does not fit its
                schema.
            ForbiddenError: The caller may not write the tenant's rows.
        """
        given = _row(
            settingCode=setting_code,
            code=code,
            name=name,
            seq=seq,
            attributes=attributes,
            tenantCode=tenant_code,
        )
        asked = self._asked(given, options, is_to_be_new=True)
        result = self._writer.write([asked], options, counts=True)[0]
        return command_of(result)

    def upsert(
        self,
        setting_code: str,
        code: str,
        name: str,
        *,
        seq: int | None = None,
        attributes: Mapping[str, Any] | None = None,
        tenant_code: str | None = None,
        **options: Unpack[PublishOptions],
    ) -> UpsertResult:
        """Make a row, or bring it to this state; one that says nothing new writes no version.

        Arguments are those of `create`. Of a row that is there, a number or attributes that are not given
        are kept. Attributes that are given replace all that are there: `update` changes some of them.

        Raises:
            CqrsError: It failed; the result is never ``failed``.
        """
        check_code(code)
        given = _row(
            settingCode=setting_code,
            code=code,
            name=name,
            seq=seq,
            attributes=attributes,
            tenantCode=tenant_code,
        )
        result = self._writer.write([self._asked(given, options)], options, counts=True)[0]
        if result.error is not None:
            raise result.error
        return result

    def upsert_bulk(
        self, rows: Iterable[GivenRow | Mapping[str, Any]], **options: Unpack[PublishOptions]
    ) -> list[UpsertResult]:
        """Make or change up to 100 rows, each for itself; what became of them, in their order.

        Six calls at most for 100 rows of a table; one more where a table gets its first number while it has
        rows of others. A call that died may be repeated: what is there already is ``unchanged``. The
        clients are told of none.

        Args:
            rows: Each with ``settingCode, code, name`` and perhaps ``seq, attributes, tenantCode``.
            **options: See `PublishOptions`; no publish id.

        Raises:
            InvalidInputError: There are more than 100 rows, or there is a publish id.
        """
        if options.get("publish_id") is not None:
            message = "is not taken for many rows: repeat the call, what is there stays as it is"
            raise InvalidInputError([FieldProblem("publish_id", message)])
        results: list[UpsertResult | None] = []
        asked: list[RowWrite] = []
        for given in given_rows(rows):
            try:
                if isinstance(given, InvalidInputError):
                    raise given
                asked.append(self._asked(given, options))
                results.append(None)
            except CqrsError as error:
                results.append(UpsertResult("failed", error=error))
        written = iter(self._writer.write(asked, options, counts=True, notify=False))
        return [next(written) if result is None else result for result in results]

    def update(
        self,
        setting_code: str,
        code: str,
        changes: Mapping[str, Any],
        *,
        tenant_code: str | None = None,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[Any] | None:
        """Change some of a row; None where nothing would change.

        Args:
            setting_code: Code of the table.
            code: Code of the row.
            changes: ``name``, ``seq`` and ``attributes``, as far as they are to change. Objects in the
                attributes are merged key by key, `REMOVE` takes a key away; everything else is replaced.
            tenant_code: Default: the tenant of the request.
            **options: See `PublishOptions`.

        Raises:
            ItemNotFoundError: There is no such row.
            InvalidInputError: Another field is named, or the row would not fit its schema.
            ForbiddenError: The caller may not write the tenant's rows.
        """
        table, key = self._place(setting_code, code, tenant_code, options)
        given = checked(RowChanges, changes)
        named = given.model_fields_set
        if "name" in named:
            checked_name(given.name)

        def change(latest: CommandModel[Any] | None, numbers: RowNumbers) -> dict[str, Any]:
            state = state_of(living(latest))
            if "name" in named:
                state["name"] = given.name
            if "attributes" in named:
                state["attributes"] = merged(state["attributes"] or {}, given.attributes)
            if "seq" in named and given.seq != state["seq"]:
                state["seq"] = given.seq
            _check(numbers.schema(table), state)
            if "seq" in named:
                numbers.take(table, key, given.seq)
            return state

        return written_by(
            self._writer.write([RowWrite(table, key, change)], options, counts="seq" in named)[0]
        )

    def delete(
        self,
        setting_code: str,
        code: str,
        *,
        tenant_code: str | None = None,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[Any]:
        """Delete a row softly.

        Raises:
            ItemNotFoundError: There is no such row, or not any more.
            ForbiddenError: The caller may not write the tenant's rows.
        """
        table, key = self._place(setting_code, code, tenant_code, options)
        asked = RowWrite(
            table, key, lambda latest, _numbers: {**state_of(living(latest)), "is_deleted": True}
        )
        return command_of(self._writer.write([asked], options, checks=False)[0])

    # Reading

    def get(
        self,
        setting_code: str,
        code: str,
        *,
        tenant_code: str | None = None,
        consistent: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> DataModel[Any] | None:
        """A row, or None where there is none, or not any more.

        Raises:
            ForbiddenError: The caller may not read the tenant's rows.
        """
        tenant = self._readable(tenant_code, invoke_context)
        row = self._module.data.get_item(
            data_key(tenant, setting_code, code), consistent=consistent, invoke_context=invoke_context
        )
        return None if row is None or row.is_deleted else row

    def get_detail(
        self,
        setting_code: str,
        code: str,
        *,
        tenant_code: str | None = None,
        consistent: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> DataModel[Any]:
        """A row.

        Raises:
            ItemNotFoundError: There is none, or not any more.
            ForbiddenError: The caller may not read the tenant's rows.
        """
        row = self.get(
            setting_code, code, tenant_code=tenant_code, consistent=consistent, invoke_context=invoke_context
        )
        if row is None:
            raise no_row()
        return row

    def check_exist_code(
        self,
        setting_code: str,
        code: str,
        *,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> bool:
        """Whether there is a row with this code. Strongly consistent."""
        found = self.get(
            setting_code, code, tenant_code=tenant_code, consistent=True, invoke_context=invoke_context
        )
        return found is not None

    def rows(
        self,
        setting_code: str,
        *,
        name: str = "",
        code: str = "",
        include_deleted: bool = False,
        tenant_code: str | None = None,
        consistent: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> TableRows:
        """The rows of a table, filtered and counted, by number and code; those without a number come last.

        One call for each MB, up to 10 000 rows.

        Args:
            setting_code: Code of the table.
            name: Only rows with this in their name, whatever the case.
            code: Only rows with this in their code, whatever the case.
            include_deleted: Softly deleted ones, too.
            tenant_code: Default: the tenant of the request.
            consistent: Read strongly consistently, at twice the price.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            TooManyRowsError: The table has more than 10 000 rows.
            ForbiddenError: The caller may not read the tenant's rows.
        """
        pk = master_pk(self._readable(tenant_code, invoke_context))
        found = TableRows.read(self._module.context, pk, data_prefix(setting_code), consistent=consistent)
        return found.only(name=name, code=code, include_deleted=include_deleted)

    def iter_data(
        self,
        setting_code: str,
        *,
        name: str = "",
        code: str = "",
        include_deleted: bool = False,
        tenant_code: str | None = None,
        consistent: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> Iterator[DataModel[Any]]:
        """The rows of a table, one after the other; see `rows`, which counts them as well."""
        return iter(
            self.rows(
                setting_code,
                name=name,
                code=code,
                include_deleted=include_deleted,
                tenant_code=tenant_code,
                consistent=consistent,
                invoke_context=invoke_context,
            )
        )

    # Schemas and formats

    @property
    def schemas(self) -> SchemaChecks:
        """Holds schemas to the rows that are there."""
        return SchemaChecks(self)

    @property
    def formats(self) -> MasterFormats:
        """How numbers are printed in a tenant."""
        return MasterFormats(self._module, self._access)

    def check_schema(
        self,
        setting_code: str,
        fields: Sequence[Mapping[str, Any]],
        *,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> list[RefusedRow]:
        """The rows that a schema would refuse; see `SchemaChecks.refused`."""
        return self.schemas.refused(
            setting_code, fields, tenant_code=tenant_code, invoke_context=invoke_context
        )

    # How

    def _readable(self, tenant_code: str | None, invoke_context: InvokeContext | None) -> str:
        tenant = self._access.tenant(tenant_code, invoke_context, write=False)
        self._access.check_read(tenant, invoke_context)
        return tenant

    def _place(
        self, setting_code: str, code: str, tenant_code: str | None, options: PublishOptions
    ) -> tuple[Table, DetailKey]:
        """Where a row is that the caller may write."""
        context = options.get("invoke_context")
        tenant = self._access.tenant(tenant_code, context, write=True)
        key = data_key(tenant, setting_code, code)
        self._access.check_write(tenant, context)
        return Table(tenant, setting_code), key

    def _new_code(self, setting_code: str, options: PublishOptions) -> str:
        """A code that nothing has: each new row of a request has one of its own, and the same in a repeat."""
        with publish_id_of((self._module.table_name, setting_code), options) as seed:
            return ModuleService.new_sk(seed)

    def _asked(self, given: GivenRow, options: PublishOptions, *, is_to_be_new: bool = False) -> RowWrite:
        code = self._new_code(given.setting_code, options) if given.code is None else given.code
        table, key = self._place(given.setting_code, code, given.tenant_code, options)
        checked_name(given.name)

        def change(latest: CommandModel[Any] | None, numbers: RowNumbers) -> dict[str, Any]:
            there = None if latest is None or latest.is_deleted else latest
            if is_to_be_new and there is not None:
                msg = f"there is a row {code!r} of {given.setting_code!r} already"
                raise RowExistsError(msg)
            schema = numbers.schema(table)
            attributes = given.attributes
            if attributes is None and there is not None:
                attributes = there.attributes
            if schema is not None:
                attributes = schema.filled(attributes)
            seq = given.seq if given.seq is not None or there is None else there.seq
            state = {"code": code, "name": given.name, "type": MASTER, "seq": seq, "attributes": attributes}
            _check(schema, state)
            if seq is None:
                state["seq"] = numbers.next(table, key)
            elif there is None or seq != there.seq:
                numbers.take(table, key, seq)
            return state

        return RowWrite(table, key, change)


def _row(**values: object) -> GivenRow:
    return checked(GivenRow, values)


def _check(schema: RowSchema | None, state: Mapping[str, Any]) -> None:
    """Refuse a row that its schema refuses."""
    if schema is None:
        return
    problems = schema.problems(state["attributes"], code=state["code"], name=state["name"], seq=state["seq"])
    if problems:
        raise InvalidInputError(problems)
