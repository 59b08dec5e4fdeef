"""Rows of code tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.commands.change import merged
from runtime.commands.module_service import ModuleService
from runtime.commands.packs import PackItem
from runtime.errors import BadRequestError, FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.features.masters.data_rows import GivenRow, RowChanges, UpsertResult, given_rows
from runtime.features.masters.keys import MASTER, check_code, data_key, data_prefix, format_key, master_pk
from runtime.features.masters.numbering import RowNumbers, Table
from runtime.features.masters.rows_of_table import TableRows
from runtime.features.masters.schemas import RefusedRow, RowSchema, SchemaInUseError
from runtime.identity.context import get_command_source
from runtime.model.validation import validated_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from typing_extensions import Unpack

    from runtime.commands.options import PublishOptions
    from runtime.features.masters.master_module import MasterModule
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel, DataModel

    _Change = Callable[[CommandModel[Any] | None, RowNumbers], Mapping[str, Any] | None]

__all__ = ["MasterData", "RowExistsError"]

_LAST_MONTH: Final = 12


class RowExistsError(BadRequestError):
    """There is a row with this code already. Nothing was written."""

    status = 409
    code = "already-exists"


@dataclass(slots=True)
class _Asked:
    """One write on its way.

    Attributes:
        table: Code table of the row.
        key: Key of the row.
        change: Makes the next state of the latest one.
        is_new: Whether the row was not there when it was last looked.
    """

    table: Table
    key: DetailKey
    change: _Change
    is_new: bool = False


class MasterData:
    """Rows of code tables: those of a setting code, each with a code of its own. Made by `MasterModule`.

    Everybody in a tenant reads; writing takes a role of the module, and for rows of the common tenant, and
    formats of numbers, a role that crosses tenants. Writes take `PublishOptions`, are applied before they
    return, and take two calls: one read, one transaction, the row's number among them.

    Where the setting of the code is a schema, rows are held to it: defaults are filled in, and what does not
    fit is refused by field. The tenant is that of the request unless ``tenant_code`` is given.

    Example:
        >>> master.data.create("colour", "red", "Red", attributes={"hex": "#f00"})
        >>> master.data.update("colour", "red", {"attributes": {"hex": "#e00"}})
        >>> [row.code for row in master.data.iter_data("colour")]

    Args:
        master: The feature.
    """

    def __init__(self, master: MasterModule) -> None:
        self._master = master

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
        given = _row(setting_code, code, name, seq, attributes, tenant_code)
        asked = self._asked(given, options, is_to_be_new=True)
        result = self._write([asked], options, counts=True)[0]
        return _command(result)

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

        Arguments are those of `create`; of a row that is there, a number that is not given is kept. The
        attributes are replaced as a whole: `update` changes some of them.

        Raises:
            CqrsError: It failed; the result is never ``failed``.
        """
        given = _row(setting_code, check_code(code), name, seq, attributes, tenant_code)
        result = self._write([self._asked(given, options)], options, counts=True)[0]
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
        asked: list[_Asked] = []
        for given in given_rows(rows):
            try:
                if isinstance(given, InvalidInputError):
                    raise given
                asked.append(self._asked(given, options))
                results.append(None)
            except BadRequestError as error:
                results.append(UpsertResult("failed", error=error))
        written = iter(self._write(asked, options, counts=True, notify=False))
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
        checked = validated_input(RowChanges, changes)
        named = checked.model_fields_set

        def change(latest: CommandModel[Any] | None, numbers: RowNumbers) -> dict[str, Any]:
            state = _state(_living(latest))
            if "name" in named:
                state["name"] = checked.name
            if "attributes" in named:
                state["attributes"] = merged(state["attributes"] or {}, checked.attributes)
            if "seq" in named and checked.seq != state["seq"]:
                state["seq"] = checked.seq
            _check(numbers.schema(table), state)
            if "seq" in named:
                numbers.take(table, key, checked.seq)
            return state

        return _written(self._write([_Asked(table, key, change)], options, counts="seq" in named)[0])

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
        asked = _Asked(table, key, lambda latest, _numbers: {**_state(_living(latest)), "is_deleted": True})
        return _command(self._write([asked], options, checks=False)[0])

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
        row = self._master.module.data.get_item(
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
            raise _missing()
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
        found = TableRows.read(
            self._master.module.context, pk, data_prefix(setting_code), consistent=consistent
        )
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

    # Schemas

    def check_schema(
        self,
        setting_code: str,
        fields: Sequence[Mapping[str, Any]],
        *,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> list[RefusedRow]:
        """The rows that a schema would refuse, as they are stored: of those, defaults are taken as filled in.

        Raises:
            InvalidInputError: The fields make no schema; the message names each.
            TooManyRowsError: The table has more than 10 000 rows.
            ForbiddenError: The caller may not read the tenant's rows.
        """
        schema = RowSchema.given(fields)
        found: list[RefusedRow] = []
        for row in self.iter_data(
            setting_code, tenant_code=tenant_code, consistent=True, invoke_context=invoke_context
        ):
            attributes = row.attributes if isinstance(row.attributes, Mapping) else None
            problems = schema.problems(
                schema.filled(attributes), code=row.code or "", name=row.name, seq=row.seq
            )
            if problems:
                found.append(RefusedRow(row.code or row.sk, tuple(problems)))
        return found

    def check_setting_change(
        self,
        setting_code: str,
        value: object,
        *,
        tenant_code: str | None = None,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Refuse a tenant's setting as a schema that its rows do not fit. An ordinary one may be anything.

        Args:
            setting_code: Code of the setting.
            value: What its value is to be.
            tenant_code: Default: the tenant of the request.
            force: Let it be a schema that rows do not fit; only its fields are checked.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: Its fields make no schema.
            SchemaInUseError: There are rows that it would refuse.
        """
        schema = RowSchema.of_value(value)
        if schema is None or force or not isinstance(value, Mapping):
            return
        refused = self.check_schema(
            setting_code, value["fields"], tenant_code=tenant_code, invoke_context=invoke_context
        )
        if refused:
            raise SchemaInUseError(setting_code, refused, what="do not fit the schema")

    def check_setting_deletion(
        self,
        setting_code: str,
        *,
        tenant_code: str | None = None,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Refuse the deletion of a tenant's setting that has rows.

        Raises:
            SchemaInUseError: It has, and ``force`` is not given: then the rows stay, without a schema.
        """
        if force:
            return
        rows = self.rows(
            setting_code, tenant_code=tenant_code, consistent=True, invoke_context=invoke_context
        )
        if rows.total:
            found = [RefusedRow(code, ()) for code in rows.codes]
            raise SchemaInUseError(setting_code, found, what="are still there")

    # Formats of numbers

    def upsert_format(
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
            attributes: ``format``, and perhaps ``startMonth`` (1 to 12) and ``registerDate``.
            name: Default: the type.
            tenant_code: Default: the tenant of the request.
            **options: See `PublishOptions`.

        Raises:
            InvalidInputError: A field is wrong.
            ForbiddenError: The caller has no role for all tenants.
        """
        context = options.get("invoke_context")
        self._master.access.check_operate(context)
        tenant = self._master.access.tenant(tenant_code, context, write=True)
        key = format_key(tenant, type_code)
        _check_format(attributes)

        def change(latest: CommandModel[Any] | None, _numbers: RowNumbers) -> dict[str, Any]:
            asked.is_new = latest is None or latest.is_deleted is True
            said = {"code": type_code, "name": name or type_code, "type": MASTER, "seq": None}
            return {**said, "attributes": dict(attributes)}

        asked = _Asked(Table(tenant, "MASTER_DATA"), key, change)
        result = self._write([asked], options, checks=False)[0]
        if result.error is not None:
            raise result.error
        return result

    def delete_format(
        self, type_code: str, *, tenant_code: str | None = None, **options: Unpack[PublishOptions]
    ) -> CommandModel[Any]:
        """Go back to the format in the code.

        Raises:
            ItemNotFoundError: There is none.
            ForbiddenError: The caller has no role for all tenants.
        """
        context = options.get("invoke_context")
        self._master.access.check_operate(context)
        tenant = self._master.access.tenant(tenant_code, context, write=True)
        asked = _Asked(
            Table(tenant, "MASTER_DATA"),
            format_key(tenant, type_code),
            lambda latest, _numbers: {**_state(_living(latest)), "is_deleted": True},
        )
        return _command(self._write([asked], options, checks=False)[0])

    # How

    def _readable(self, tenant_code: str | None, invoke_context: InvokeContext | None) -> str:
        tenant = self._master.access.tenant(tenant_code, invoke_context, write=False)
        self._master.access.check_read(tenant, invoke_context)
        return tenant

    def _place(
        self, setting_code: str, code: str, tenant_code: str | None, options: PublishOptions
    ) -> tuple[Table, DetailKey]:
        """Where a row is that the caller may write."""
        context = options.get("invoke_context")
        tenant = self._master.access.tenant(tenant_code, context, write=True)
        key = data_key(tenant, setting_code, code)
        self._master.access.check_write(tenant, context)
        return Table(tenant, setting_code), key

    def _asked(self, given: GivenRow, options: PublishOptions, *, is_to_be_new: bool = False) -> _Asked:
        code = ModuleService.new_sk(options.get("publish_id")) if given.code is None else given.code
        table, key = self._place(given.setting_code, code, given.tenant_code, options)
        if not given.name.strip():
            raise InvalidInputError([FieldProblem("name", "must not be empty")])

        def change(latest: CommandModel[Any] | None, numbers: RowNumbers) -> dict[str, Any]:
            there = None if latest is None or latest.is_deleted else latest
            asked.is_new = there is None
            if is_to_be_new and there is not None:
                msg = f"there is a row {code!r} of {given.setting_code!r} already"
                raise RowExistsError(msg)
            schema = numbers.schema(table)
            attributes = given.attributes if schema is None else schema.filled(given.attributes)
            seq = given.seq if given.seq is not None or there is None else there.seq
            state = {"code": code, "name": given.name, "type": MASTER, "seq": seq, "attributes": attributes}
            _check(schema, state)
            if seq is None:
                state["seq"] = numbers.next(table, key)
            elif there is None or seq != there.seq:
                numbers.take(table, key, seq)
            return state

        asked = _Asked(table, key, change)
        return asked

    def _write(
        self,
        asked: Sequence[_Asked],
        options: PublishOptions,
        *,
        counts: bool = False,
        checks: bool = True,
        notify: bool = True,
    ) -> list[UpsertResult]:
        if not asked:
            return []
        module = self._master.module
        numbers = RowNumbers(module.context, (each.table for each in asked), counts=counts, checks=checks)
        source = get_command_source(module.table_name, "MasterData", "write")
        own: PublishOptions = {"source": source, **options}

        def item(each: _Asked) -> PackItem[Any]:
            return PackItem(
                command=lambda latest: each.change(latest, numbers), key=tuple(each.key), options=own
            )

        outcomes = module.commands.publish_pack(
            [item(each) for each in asked], sync=True, notify=notify, tally=numbers
        )
        results: list[UpsertResult] = []
        for each, outcome in zip(asked, outcomes, strict=True):
            if outcome.error is not None:
                results.append(UpsertResult("failed", each.key, error=outcome.error))
            elif outcome.command is None:
                results.append(UpsertResult("unchanged", each.key))
            else:
                kind = "created" if each.is_new else "updated"
                results.append(UpsertResult(kind, each.key, outcome.command))
        return results


def _row(
    setting_code: str,
    code: str | None,
    name: str,
    seq: int | None,
    attributes: Mapping[str, Any] | None,
    tenant_code: str | None,
) -> GivenRow:
    given = {"settingCode": setting_code, "code": code, "name": name, "seq": seq, "tenantCode": tenant_code}
    return validated_input(GivenRow, {**given, "attributes": attributes})


def _state(row: CommandModel[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("code", "name", "type", "seq", "attributes")}


def _living(latest: CommandModel[Any] | None) -> CommandModel[Any]:
    if latest is None or latest.is_deleted:
        raise _missing()
    return latest


def _missing() -> ItemNotFoundError:
    return ItemNotFoundError("there is no such row")


def _check(schema: RowSchema | None, state: Mapping[str, Any]) -> None:
    """Refuse a row that its schema refuses."""
    if schema is None:
        return
    problems = schema.problems(state["attributes"], code=state["code"], name=state["name"], seq=state["seq"])
    if problems:
        raise InvalidInputError(problems)


def _check_format(attributes: Mapping[str, Any]) -> None:
    problems = [
        FieldProblem(f"attributes.{name}", "is unknown; a format has format, startMonth and registerDate")
        for name in attributes
        if name not in {"format", "startMonth", "registerDate"}
    ]
    text, month, start = (attributes.get(name) for name in ("format", "startMonth", "registerDate"))
    if not isinstance(text, str) or not text.strip():
        problems.append(FieldProblem("attributes.format", "is required: a text such as INV-%%no#:0>6%%"))
    is_month = isinstance(month, int) and not isinstance(month, bool) and 1 <= month <= _LAST_MONTH
    if month is not None and not is_month:
        problems.append(
            FieldProblem("attributes.startMonth", f"must be 1 to {_LAST_MONTH}, got {month!r:.60}")
        )
    if start is not None and not isinstance(start, str):
        problems.append(FieldProblem("attributes.registerDate", "must be a date as text"))
    if problems:
        raise InvalidInputError(problems)


def _written(result: UpsertResult) -> CommandModel[Any] | None:
    if result.error is not None:
        raise result.error
    return result.command


def _command(result: UpsertResult) -> CommandModel[Any]:
    command = _written(result)
    assert command is not None  # noqa: S101 - a new row, and a deleted one, are never what was there
    return command
