"""`SequenceModule`: the feature that counts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runtime.contract import SEQUENCE_FEATURE
from runtime.errors import (
    ConfigurationError,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
)
from runtime.features.feature import Feature
from runtime.features.sequences.counter import Counter, Stamp, counted, counters_pk, seq_of
from runtime.features.sequences.gaps import gaps_in
from runtime.features.sequences.issuing import Issue
from runtime.features.sequences.issuing import count as taken
from runtime.features.sequences.items import SequencePage, SequenceRange
from runtime.features.sequences.recording import make_void, set_counter
from runtime.features.sequences.rotation import RotateBy
from runtime.features.sequences.series import Series, check_code, check_number
from runtime.features.sequences.settings import MasterSettings, provided_series, series_of
from runtime.features.sequences.slot import SequenceSlot
from runtime.identity.access import check_tenant
from runtime.identity.context import current_invoke_context
from runtime.identity.tenant import acting_tenant, crosses
from runtime.model.keys import lower_case_tenant
from runtime.queries.paging import PageRequest
from runtime.store.sort_key import SortKeyCondition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Unpack

    from runtime.clients.resources import Resources
    from runtime.features.operation import Operation
    from runtime.features.sequences.items import Gap, SequenceCounter, SequenceItem
    from runtime.features.sequences.options import (
        BucketOptions,
        MomentOptions,
        NumberOptions,
        SlotOptions,
    )
    from runtime.identity.context import InvokeContext
    from runtime.store.values import Row

__all__ = ["SequenceModule"]

_MAX_RANGE: Final = 100_000
_MAX_TEXT: Final = 200
_OPERATIONS: Final = "runtime.entry.operator.features.sequences"


class SequenceModule(Feature):
    """Numbers of documents: ``CqrsApp(features=[sequences])`` and ``CqrsStack(sequences=True)``.

    A number is taken with one call. Who asks is the caller of the HTTP request that is being handled, or
    ``invoke_context``: their tenant's counters are theirs, and others take a role that crosses tenants. Code
    that works for nobody in particular names the ``tenant_code``.

    Every method raises `InvalidInputError` where an argument is wrong, `ForbiddenError` where the counter is
    another tenant's, and `SequenceExhaustedError` where the series has no number left; nothing is counted
    then.

    Example:
        >>> sequences = SequenceModule([Series("ticket", format="T%%no#:0>8%%")])
        >>> ticket = sequences.generate_sequence_item("ticket", idempotency_key="mail-4711")
        >>> ticket.formatted_no
        'T00000001'

    Args:
        series: The series. Others may be in the master data of a tenant.
        settings_from_master: Whether a tenant's master data may say how a series is printed, and when it
            begins anew; see the guide. They are read at the first number, and remembered for five minutes.

    Raises:
        ConfigurationError: Two series have one name.
    """

    name = SEQUENCE_FEATURE
    part = "sequences=True"
    operations: Mapping[str, Operation | str] = {
        "listSequences": f"{_OPERATIONS}:LIST",
        "showSequence": f"{_OPERATIONS}:SHOW",
        "listSequenceGaps": f"{_OPERATIONS}:GAPS",
        "setSequence": f"{_OPERATIONS}:SET",
        "voidSequenceNumber": f"{_OPERATIONS}:VOID",
    }

    def __init__(self, series: Iterable[Series] = (), *, settings_from_master: bool = True) -> None:
        self.series: dict[str, Series] = {}
        for one in series:
            if not isinstance(one, Series):
                msg = f"SequenceModule takes Series, got {one!r:.80}"
                raise ConfigurationError(msg)
            if self.series.setdefault(one.type_code, one) is not one:
                msg = f"two series have the name {one.type_code!r}; rename one"
                raise ConfigurationError(msg)
        self._reads_settings = settings_from_master
        self._settings: MasterSettings | None = None

    def use(self, resources: Resources) -> None:
        """Work with these settings and clients."""
        super().use(resources)
        self._settings = None

    def generate_sequence_item(self, type_code: str, **options: Unpack[NumberOptions]) -> SequenceItem:
        """Take the next number. One call; two with a key, and where the series records its numbers.

        Args:
            type_code: The series.
            **options: See `NumberOptions`.

        Raises:
            InvalidInputError: An argument is wrong, or the series is gapless: then a number without a command
                could be lost. Use `slot`.
            PublishIdReusedError: The key was used for another call.
            ContentionError: Others were at the counter for as long as this call tried.
        """
        return self._issued(partial(self._of, type_code), (), **options)

    def generate_sequence_item_with_provide_setting(
        self, series: Series | Mapping[str, Any], **options: Unpack[NumberOptions]
    ) -> SequenceItem:
        """Take the next number of a series that is not among those of the module.

        Args:
            series: The series; or its settings as MBC CQRS Serverless names them: ``typeCode``, ``format``,
                ``rotateBy``, ``startMonth``, ``registerDate`` and ``timezone``.
            **options: See `NumberOptions`.

        Raises:
            InvalidInputError: A setting cannot work, or its counters are those of a series of the module that
                records its numbers, or counts otherwise. Nothing was counted.
        """
        own = provided_series(series)
        self._check_beside(own)
        return self._issued(lambda _tenant: own, (own.format.text, str(own.rotate_by)), **options)

    def generate_sequence_range(
        self, type_code: str, count: int, **options: Unpack[MomentOptions]
    ) -> SequenceRange:
        """Take many numbers at once. One call; what of them is not used is a gap.

        Args:
            type_code: The series; none that records its numbers, since a range is one write, and leaves no
                record of each.
            count: How many, 1 to 100 000.
            **options: See `MomentOptions`.
        """
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MAX_RANGE:
            message = f"must be 1 to {_MAX_RANGE}, got {count!r:.60}"
            raise InvalidInputError([FieldProblem("count", message)])
        wanted = self._of_moment(partial(self._of, type_code), **options)
        counter, moment = wanted.counter, wanted.moment
        _refuse_gapless(counter.series)
        if counter.series.keeps_issues:
            message = (
                f"{type_code!r} records each of its numbers, and a range is one write without records; take "
                "them one by one, or of a series without issue_log"
            )
            raise InvalidInputError([FieldProblem("type_code", message)])
        last = taken(self.resources.store, counter, count, wanted.caller)
        return SequenceRange(last - count + 1, last, lambda no: counter.item(no, moment))

    def get_current_sequence(self, type_code: str, **options: Unpack[MomentOptions]) -> SequenceItem | None:
        """The last number that was given, printed without prefix and postfix; None without one. One call.

        In series that print the day, that is the day on which the counter last moved.

        Args:
            type_code: The series.
            **options: See `MomentOptions`.
        """
        wanted = self._of_moment(partial(self._of, type_code), **options)
        row = self.resources.store.get(wanted.counter.place)
        no = seq_of(row)
        if row is None or no is None:
            return None
        return wanted.counter.item(no, _moved_at(row, wanted.counter) or wanted.moment)

    def preview(self, type_code: str, **options: Unpack[MomentOptions]) -> SequenceItem:
        """The number that is next, as long as nobody else takes it. One call; nothing is counted.

        Args:
            type_code: The series.
            **options: See `MomentOptions`.
        """
        wanted = self._of_moment(partial(self._of, type_code), **options)
        counter = wanted.counter
        return counter.item(counter.after(self.resources.store.get(counter.place)), wanted.moment)

    def slot(self, type_code: str, **options: Unpack[SlotOptions]) -> SequenceSlot:
        """A series for ``publish_numbered``: its numbers are used up with the commands that have them.

        Example:
            >>> invoices.commands.publish_numbered(sequences.slot("invoice"), issued, publish_id="cart-9")

        Args:
            type_code: The series.
            **options: See `SlotOptions`. They are checked when a command is published.
        """

        def counter_of(invoke_context: InvokeContext) -> tuple[Counter, datetime]:
            of_caller: MomentOptions = {**options, "invoke_context": invoke_context}
            wanted = self._of_moment(partial(self._of, type_code), **of_caller)
            return wanted.counter, wanted.moment

        return SequenceSlot(counter_of)

    def void(self, type_code: str, no: int, *, reason: str, **options: Unpack[BucketOptions]) -> None:
        """Record that nothing has a number any more, or that nothing ever had it. One call.

        The number is not given again, and the command that has it is left alone. To do so again with the same
        reason changes nothing.

        Args:
            type_code: A series that records its numbers.
            no: The number.
            reason: Why, for `gaps`: 1 to 200 printable characters.
            **options: See `BucketOptions`.

        Raises:
            InvalidInputError: The series records no numbers, or the number is void for another reason.
            ItemNotFoundError: The number was not given yet.
        """
        counter, caller = self._of_bucket(type_code, **options)
        _check_recorded(counter.series)
        check_number("no", no)
        _check_text("reason", reason, least=1)
        make_void(self.resources.store, counter, no, reason, Stamp.of(caller))

    def gaps(self, type_code: str, **options: Unpack[BucketOptions]) -> list[Gap]:
        """Numbers that nothing has, up to the last one that was given.

        In a gapless series that is what `void` and `set_sequence` have recorded, with their reasons. Numbers
        from before the series was told to record them are gaps without a reason. One call, and one for each
        MB of records.

        Args:
            type_code: A series that records its numbers.
            **options: See `BucketOptions`.
        """
        counter, _ = self._of_bucket(type_code, **options)
        _check_recorded(counter.series)
        # First the counter: whatever it has given by then is recorded.
        last = seq_of(self.resources.store.get(counter.place))
        return [] if last is None else gaps_in(self.resources.store, counter, last)

    def set_sequence(self, type_code: str, no: int, **options: Unpack[BucketOptions]) -> SequenceCounter:
        """Let a counter have given numbers up to ``no``, as one that another system has counted. Two calls.

        It never goes back: numbers would be given twice. Where numbers are recorded, those in between are a
        gap with a reason.

        Args:
            type_code: The series.
            no: The number that counts as the last one that was given.
            **options: See `BucketOptions`. Who asks has a role that crosses tenants, or is nobody in
                particular.

        Raises:
            InvalidInputError: The counter has given a higher number, or the series ends before ``no``.
            ForbiddenError: The caller has no such role.
        """
        counter, caller = self._of_bucket(type_code, **options)
        if caller is not None and not crosses(caller, counter.tenant, self.resources.settings):
            msg = "this takes a role that crosses tenants"
            raise ForbiddenError(msg)
        check_number("no", no)
        return set_counter(self.resources.store, counter, no, Stamp.of(caller))

    def show_sequence(self, type_code: str, **options: Unpack[BucketOptions]) -> SequenceCounter | None:
        """A counter as it stands; None where it has given no number. One call.

        Args:
            type_code: The series.
            **options: See `BucketOptions`.
        """
        counter, _ = self._of_bucket(type_code, **options)
        row = self.resources.store.get(counter.place)
        return None if row is None else counted(row)

    def list_sequences(
        self,
        type_code: str | None = None,
        *,
        start_from_sk: str | None = None,
        limit: int = 100,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> SequencePage:
        """A page of a tenant's counters, in the order of their keys. One call.

        Args:
            type_code: A series. Default: all of them.
            start_from_sk: ``last_sk`` of the page before. Default: from the beginning.
            limit: Most counters on the page, 1 to 1000.
            tenant_code: The tenant. Default: that of the caller.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
        """
        _, tenant = self._asked(tenant_code, invoke_context)
        condition = None
        if type_code is not None:
            check_code("type_code", type_code)
            condition = SortKeyCondition.begins_with(f"{type_code}#")
        request = PageRequest.checked(counters_pk(tenant), condition, start_from_sk, limit, "asc")
        page = request.read(self.resources.store, self._table, consistent=True)
        return SequencePage([*map(counted, page.rows)], page.last_sk)

    def iter_sequences(
        self,
        type_code: str | None = None,
        *,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Iterator[SequenceCounter]:
        """All counters of a tenant, in the order of their keys; see `list_sequences`.

        One call for each 1000, when they are asked for.
        """
        start: str | None = None
        while True:
            page = self.list_sequences(
                type_code,
                start_from_sk=start,
                limit=1000,
                tenant_code=tenant_code,
                invoke_context=invoke_context,
            )
            yield from page.items
            start = page.last_sk
            if start is None:
                return

    def _issued(
        self,
        series_of: Callable[[str], Series],
        said: Sequence[str],
        *,
        prefix: str = "",
        postfix: str = "",
        idempotency_key: str | None = None,
        **which: Unpack[MomentOptions],
    ) -> SequenceItem:
        """The next number of a series, which is given by the tenant; ``said`` is what else tells the call."""
        wanted = self._of_moment(series_of, **which)
        series, date = wanted.counter.series, which.get("date")
        _refuse_gapless(series)
        _check_text("prefix", prefix)
        _check_text("postfix", postfix)
        at = date.astimezone(UTC).isoformat() if date else None
        issue = Issue(
            counter=wanted.counter,
            moment=wanted.moment,
            caller=wanted.caller,
            key=idempotency_key,
            said=[series.type_code, *wanted.counter.codes, at, prefix, postfix, *said],
            prefix=prefix,
            postfix=postfix,
        )
        return issue.issue(self.resources.store)

    def _of_moment(
        self,
        series_of: Callable[[str], Series],
        *,
        tenant_code: str | None = None,
        codes: Sequence[str] = (),
        date: datetime | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> _Wanted:
        """The counter of a moment."""
        caller, tenant = self._asked(tenant_code, invoke_context)
        series = series_of(tenant)
        moment = series.moment(date)
        bucket = series.rotation.bucket(moment.date())
        return _Wanted(self._counter(series, tenant, codes, bucket), moment, caller)

    def _of_bucket(
        self,
        type_code: str,
        *,
        tenant_code: str | None = None,
        codes: Sequence[str] = (),
        bucket: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> tuple[Counter, InvokeContext | None]:
        """The counter of a bucket, and who asks."""
        caller, tenant = self._asked(tenant_code, invoke_context)
        series = self._of(type_code, tenant)
        if bucket is None:
            bucket = series.rotation.bucket(series.moment().date())
        series.rotation.check(bucket)
        return self._counter(series, tenant, codes, bucket), caller

    def _counter(self, series: Series, tenant: str, codes: Sequence[str], bucket: str) -> Counter:
        own = series.check_codes(codes)
        return Counter(series=series, table=self._table, tenant=tenant, codes=own, bucket=bucket)

    @property
    def _table(self) -> str:
        return self.resources.settings.sequences_table

    def _asked(
        self, tenant_code: str | None, invoke_context: InvokeContext | None
    ) -> tuple[InvokeContext | None, str]:
        """Who asks, and the tenant that they ask for."""
        context, settings = invoke_context or current_invoke_context(), self.resources.settings
        tenant = tenant_code
        if tenant is None and context is not None:
            tenant = acting_tenant(context, settings)
            if tenant is None:
                msg = "your token names no tenant"
                raise ForbiddenError(msg)
        if tenant is None:
            message = "is required where nobody asks: pass it, or the invoke_context of who does"
            raise InvalidInputError([FieldProblem("tenant_code", message)])
        check_code("tenant_code", tenant)
        tenant = lower_case_tenant(tenant)
        check_tenant(counters_pk(tenant), context, settings)
        return context, tenant

    def _of(self, type_code: str, tenant: str) -> Series:
        """A series by its name: as the code has it, or the tenant's master data."""
        check_code("type_code", type_code)
        base = self.series.get(type_code)
        if self._reads_settings:
            self._settings = self._settings or MasterSettings(self.resources)
            said = self._settings.get(tenant, type_code)
            if said is not None:
                return series_of(type_code, said, base, field="attributes")
        if base is None:
            known = ", ".join(sorted(self.series)) or "none"
            message = f"must be a series, got {type_code!r}; there are {known}"
            raise InvalidInputError([FieldProblem("type_code", message)])
        return base

    def _check_beside(self, provided: Series) -> None:
        """Refuse a series that would count in the rows of one of the module, and otherwise."""
        own = self.series.get(provided.type_code)
        if own is None or own is provided:
            return
        by = {own.rotate_by, provided.rotate_by}
        shares = by == {RotateBy.YEARLY, RotateBy.FISCAL_YEARLY} and (
            own.mbc_fiscal_bucket or provided.mbc_fiscal_bucket
        )
        has_own_bounds = (own.first, own.maximum) != (provided.first, provided.maximum)
        if own.keeps_issues or own.codes != provided.codes or has_own_bounds or shares:
            message = (
                f"is a series of the module, {provided.type_code!r}, that records its numbers or counts "
                "otherwise; use that one, or another name"
            )
            raise InvalidInputError([FieldProblem("type_code", message)])


class _Wanted(NamedTuple):
    """The counter of a call, the moment that it is about, and who asks."""

    counter: Counter
    moment: datetime
    caller: InvokeContext | None


def _refuse_gapless(series: Series) -> None:
    if series.gapless:
        message = (
            f"{series.type_code!r} is gapless: commands use its numbers up, in their transaction, and one "
            "that is taken alone could be lost; use publish_numbered with its slot"
        )
        raise InvalidInputError([FieldProblem("type_code", message)])


def _check_recorded(series: Series) -> None:
    if not series.keeps_issues:
        message = f"{series.type_code!r} keeps no record of its numbers; give the series issue_log=True"
        raise InvalidInputError([FieldProblem("type_code", message)])


def _check_text(field: str, text: object, *, least: int = 0) -> None:
    if not isinstance(text, str) or not least <= len(text) <= _MAX_TEXT or not text.isprintable():
        message = f"must be a text of {least} to {_MAX_TEXT} printable characters"
        raise InvalidInputError([FieldProblem(field, message)])


def _moved_at(row: Row, counter: Counter) -> datetime | None:
    """When a counter last moved, where that is a moment of its bucket."""
    try:
        moment = datetime.fromisoformat(row["updatedAt"])
        own = counter.series.moment(moment)
    except (KeyError, TypeError, ValueError, InvalidInputError):
        return None
    return own if counter.series.rotation.bucket(own.date()) == counter.bucket else None
