"""Every error that leaves a public call of the runtime, and whether anything was written.

CqrsError
├── ConfigurationError          (also a ValueError)   the environment or the app is set up wrongly
│   └── ModuleMismatchError     the code and the deployment do not agree about a module
├── BadRequestError             400
│   ├── InvalidInputError       400  one or more fields are wrong: `problems`
│   │   └── RuleViolationError  422  a rule of the module refuses the next state: `problems`
│   ├── InvalidVersionError     400  there is no such version to build on
│   ├── RowExistsError          409  masters have a row with this code already
│   ├── SchemaInUseError        409  rows of masters stand in the way of a change of their schema: `rows`
│   └── TooManyRowsError        400  a code table of masters has more rows than can be listed
├── ForbiddenError              403  the key belongs to another tenant
├── ItemNotFoundError           404
├── VersionConflictError        409  somebody else was first
├── HandlersPendingError        500  committed, but the data sync handlers are not done
│   └── EventHandlersPendingError    stored, but the event's handlers have not ended in time
├── SequenceExhaustedError      409  a series has no number left
├── PublishIdReusedError        422  the publish id belongs to another call
├── StoreUnavailableError       503  a service is busy or out of reach; nothing was written
│   └── ContentionError         503  others were faster for as long as this call tried
├── TenantSetupError                 a tenant is registered, and what it begins with is not all there
├── ReadModelUnavailableError   503  a handler's store is out of reach: tried again for longer
├── ReadModelBehindError        503  a handler has not seen what a reader wants to see
├── OutcomeUnknownError         503  no answer came: it may have been written
├── StoreRefusedError                a service refuses the call: the deployment is wrong
├── CorruptRowError                  a stored row makes no sense: repair it
│   ├── UnreadableRowError           today's model does not accept a stored row: `problems`
│   ├── SettingDoesNotFitError       today's model does not accept a stored setting: `problems`
│   ├── UnreadableEventError         nothing in this code reads a stored event
│   └── CorruptStreamError           commits of an aggregate are missing
├── NewerSchemaError         503  the row was written by a newer release than this code
├── CommandError                422  a command is refused for a reason of the domain: `code`
│   ├── VersionError            409  somebody else appended first: `winner` (also a VersionConflictError)
│   │   └── GapError            409  the expected version lies beyond the last one
│   └── CommandReusedError      422  the command id belongs to another command
├── AggregateErasedError        410  the aggregate was erased: its events are blanked for good
├── UpcastError                      an upcaster failed on a stored row
├── RuleFailedError                  a rule or command of the service did not come to a decision
├── DeliveryError                    a message, push or e-mail could not be handed over
│   └── BatchDeliveryError           some messages of a batch: `failed`
├── PreviousVersionPending           a handler is busy with the aggregate: try again
└── UnknownTriggerError              what Lambda delivered is for nobody in the app
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AggregateErasedError",
    "BadRequestError",
    "BatchDeliveryError",
    "CommandError",
    "CommandReusedError",
    "ConfigurationError",
    "ContentionError",
    "CorruptRowError",
    "CorruptStreamError",
    "CqrsError",
    "DeliveryError",
    "EventHandlersPendingError",
    "FieldProblem",
    "ForbiddenError",
    "GapError",
    "HandlersPendingError",
    "InvalidInputError",
    "InvalidVersionError",
    "ItemNotFoundError",
    "ModuleMismatchError",
    "NewerSchemaError",
    "OutcomeUnknownError",
    "PreviousVersionPending",
    "PublishIdReusedError",
    "ReadModelBehindError",
    "ReadModelUnavailableError",
    "RefusedRow",
    "RowExistsError",
    "RuleFailedError",
    "RuleViolationError",
    "SchemaInUseError",
    "SequenceExhaustedError",
    "SettingDoesNotFitError",
    "StoreRefusedError",
    "StoreUnavailableError",
    "TenantSetupError",
    "TooManyRowsError",
    "UnknownEventError",
    "UnknownTriggerError",
    "UnreadableEventError",
    "UnreadableRowError",
    "UpcastError",
    "VersionConflictError",
    "VersionError",
]


#: So many rows are named in the text of an error.
_NAMED_ROWS: Final = 5


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with the input.

    Attributes:
        field: Path of the field as the caller wrote it, such as ``attributes.dueDate``.
        message: What is wrong and what would be right.

    Raises:
        TypeError: One of them is no text.
    """

    field: str
    message: str

    def __post_init__(self) -> None:
        """Refuse what could not be told to anybody, where it is made."""
        for name in ("field", "message"):
            if not isinstance(value := getattr(self, name), str):
                msg = (
                    f"the {name} of a FieldProblem must be a text, got {type(value).__name__}; write str(...)"
                )
                raise TypeError(msg)


class CqrsError(Exception):
    """Base class of every error that this library raises in a function."""

    status: ClassVar[int] = 500
    """HTTP status code that the error becomes."""
    code: str = "internal-error"
    """Stable, machine-readable name; the last segment of a problem document's ``type``."""
    written: Literal["nothing", "everything", "something", "unknown"] = "nothing"
    """What the call had written when it failed. After "unknown", repeat it with the same publish id."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy it, or send it to another process, as it is: its class may take more than its text."""
        return _made_again, (type(self), self.args, dict(self.__dict__))


def _made_again(kind: type[CqrsError], args: tuple[Any, ...], attributes: dict[str, Any]) -> CqrsError:
    found = kind.__new__(kind, *args)
    found.args = args
    found.__dict__.update(attributes)
    return found


class ConfigurationError(CqrsError, ValueError):
    """The environment variables, or the way the app was put together, cannot work."""

    code = "configuration-error"


class ModuleMismatchError(ConfigurationError):
    """The code and the deployment do not agree about a module: whether it is there, or has handlers.

    Attributes:
        module: Name of the module.
    """

    code = "module-mismatch"

    def __init__(self, module: str, message: str) -> None:
        self.module = module
        super().__init__(message)


class BadRequestError(CqrsError):
    """The caller asked for something that cannot be done. Nothing was written."""

    status = 400
    code = "bad-request"


class InvalidInputError(BadRequestError):
    """One or more fields of the input are wrong. Nothing was written."""

    code = "invalid-input"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = tuple(problems)


class RuleViolationError(InvalidInputError):
    """A rule of the module refuses what an item would become. Nothing was written.

    What `CommandModule` has in ``decide`` raises it, or returns the problems.
    """

    status = 422
    code = "rule-violation"


class InvalidVersionError(BadRequestError):
    """The version to build on does not exist. Nothing was written."""

    code = "invalid-version"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"Invalid input version. The input version must be equal to the latest version (got {version})"
        )
        self.version = version


class RowExistsError(BadRequestError):
    """Masters have a row with this code already. Nothing was written."""

    status = 409
    code = "already-exists"


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a code table that a schema would refuse.

    Attributes:
        code: Code of the row.
        problems: What is wrong with it, by field.
    """

    code: str
    problems: tuple[FieldProblem, ...]


class SchemaInUseError(BadRequestError):
    """A schema of masters has rows that stand in the way of its change. Nothing was written.

    Attributes:
        rows: Those rows.
    """

    status = 409
    code = "schema-in-use"

    def __init__(self, setting_code: str, rows: Sequence[RefusedRow], *, what: str) -> None:
        named = "; ".join(
            f"{row.code} ({row.problems[0].field}: {row.problems[0].message})" if row.problems else row.code
            for row in rows[:_NAMED_ROWS]
        )
        more = f" and {len(rows) - _NAMED_ROWS} more" if len(rows) > _NAMED_ROWS else ""
        super().__init__(
            f"{len(rows)} rows of {setting_code} {what}: {named}{more}; mend or delete them first"
        )
        self.rows = tuple(rows)


class TooManyRowsError(BadRequestError):
    """A code table has more rows than can be listed: sort it into several, or keep it in a module."""

    code = "too-many-rows"


class ForbiddenError(CqrsError):
    """The key lies outside the caller's tenant. Nothing was read or written."""

    status = 403
    code = "forbidden"


class ItemNotFoundError(CqrsError):
    """There is no item with this key."""

    status = 404
    code = "not-found"


class VersionConflictError(CqrsError):
    """Another publish was first: read the latest version and decide again. Nothing was written."""

    status = 409
    code = "version-conflict"

    def __init__(self, pk: str, sk: str, version: int) -> None:
        super().__init__(
            f"version conflict: {pk} {sk} has moved past version {version}; read it again and retry"
        )
        self.pk = pk
        self.sk = sk
        self.version = version


class SequenceExhaustedError(CqrsError):
    """A series has given its last number, its ``maximum``. Nothing was counted.

    Attributes:
        type_code: Name of the series.
        maximum: The last number.
    """

    status = 409
    code = "sequence-exhausted"

    def __init__(self, type_code: str, maximum: int) -> None:
        super().__init__(
            f"the series {type_code!r} has no number left up to its maximum, {maximum}; raise it, or begin "
            "another series"
        )
        self.type_code = type_code
        self.maximum = maximum


class HandlersPendingError(CqrsError):
    """A synchronous publish is committed, but its data sync handlers are not done.

    Do not publish again: the command is there. A repeat with the same publish id runs the
    handlers once more.

    Attributes:
        pk: Partition key of the command's item.
        sk: Its sort key.
        version: The version that was committed.
        handlers: Names of the handlers that have not seen it.
        is_handed_over: Whether a workflow execution has taken the handlers over. Where none could
            be started, the next look for unfinished commands, or `reconcile`, finds the command.
    """

    code = "handlers-pending"
    written = "everything"

    def __init__(
        self, pk: str, sk: str, version: int, handlers: Sequence[str], *, is_handed_over: bool = True
    ) -> None:
        rest = (
            "a workflow execution has taken over"
            if is_handed_over
            else "no workflow execution could be started either; reconcile finds it"
        )
        super().__init__(
            f"{pk} {sk} is committed as version {version}, but not handled yet by "
            f"{', '.join(handlers)}; {rest}"
        )
        self.pk = pk
        self.sk = sk
        self.version = version
        self.handlers = tuple(handlers)
        self.is_handed_over = is_handed_over


class EventHandlersPendingError(HandlersPendingError, TimeoutError):
    """A dispatched event is stored, and its handlers have not ended in the time that they were given.

    They go on. To dispatch the event again stores nothing, and calls them again.

    Attributes:
        pk: What the event is stored under.
        sk: Empty.
        version: The version that the event is stored as.
        handlers: Names of the handlers that have not ended.
    """

    def __init__(self, pk: str, version: int, handlers: Sequence[str]) -> None:
        CqrsError.__init__(
            self, f"{pk} is stored as version {version}, and still being handled by {', '.join(handlers)}"
        )
        self.pk, self.sk = pk, ""
        self.version = version
        self.handlers = tuple(handlers)
        self.is_handed_over = True


class PublishIdReusedError(CqrsError):
    """The publish id was used by another call: other content, another user or another operation.

    Nothing was written. Give each publish an id of its own; repeat one only with its own content.
    """

    status = 422
    code = "publish-id-reused"

    def __init__(self) -> None:
        super().__init__(
            "the publish id (over HTTP: the Idempotency-Key) was used for another publish to this "
            "aggregate within a day; give each publish an id of its own"
        )


class StoreUnavailableError(CqrsError):
    """A service is busy or out of reach. Nothing was written; the same call may succeed later."""

    status = 503
    code = "unavailable"

    def __init__(self, service: str, kind: str) -> None:
        super().__init__(f"{service} is busy or out of reach ({kind}); nothing was written, try again")


class ContentionError(StoreUnavailableError):
    """Others moved the same aggregate on for as long as this call tried. Safe to repeat."""

    def __init__(self, message: str) -> None:
        CqrsError.__init__(self, message)


class TenantSetupError(CqrsError):
    """A tenant is registered, and ``on_create`` has failed: until it succeeds, the tenant is not served.

    Create the tenant once more with the same content, or activate it: both call ``on_create`` again.

    Attributes:
        tenant_code: Code of the tenant.
    """

    code = "tenant-setup-failed"
    written = "something"

    def __init__(self, tenant_code: str, kind: str) -> None:
        super().__init__(
            f"the tenant {tenant_code!r} is registered, and on_create has failed ({kind}); when that is "
            "mended, activate the tenant or create it once more"
        )
        self.tenant_code = tenant_code


class ReadModelUnavailableError(CqrsError):
    """The store that a data sync handler keeps is busy or out of reach, so nothing is wrong with the command.

    A handler may raise it. What drivers and clients raise of that kind becomes one where it
    leaves a handler: the state machine tries it again for longer before the handler is parked.
    """

    status = 503
    code = "unavailable"


class ReadModelBehindError(CqrsError):
    """A handler has not seen the version of an aggregate that a reader wants its read model to have.

    Attributes:
        handler: Name of the handler.
        version: The version that was wanted.
        parked_version: The version that the handler gave up at: an operator has to look at it, and waiting
            longer does not help. None where it is only behind: the same call may succeed later.
    """

    status = 503
    code = "read-model-behind"

    def __init__(self, handler: str, pk: str, version: int, parked_version: int | None = None) -> None:
        why = (
            "try again"
            if parked_version is None
            else f"it is parked at version {parked_version}; redrive it when what failed is mended"
        )
        super().__init__(f"{handler} has not seen version {version} of {pk} yet; {why}")
        self.handler = handler
        self.version = version
        self.parked_version = parked_version


class OutcomeUnknownError(CqrsError):
    """No answer came to a write: it may have been done. Repeat the call with the same publish id."""

    status = 503
    code = "outcome-unknown"
    written = "unknown"

    def __init__(self, service: str, kind: str) -> None:
        super().__init__(
            f"no answer from {service} ({kind}): unknown whether written; "
            "repeat with the same publish id, or read before you repeat"
        )


class StoreRefusedError(CqrsError):
    """A service refuses the call: a table is missing, a permission, or a limit is exceeded.

    Nothing was written. Trying again does not help: mend the deployment.

    Attributes:
        is_absent: Whether what was called does not exist, such as a table.
    """

    code = "store-refused"

    def __init__(self, service: str, kind: str) -> None:
        self.is_absent = kind.startswith("ResourceNotFound")
        super().__init__(
            f"{service} refuses the call ({kind}); nothing was written. "
            "Check the names of the tables and the function's permissions"
        )


class CorruptRowError(CqrsError):
    """A stored row makes no sense, so nothing can be built on it. It has to be repaired."""

    code = "corrupt-row"


class UnreadableRowError(CorruptRowError):
    """The module's model does not accept a row that is stored: it has become stricter since.

    Deleting and erasing the aggregate work all the same. Let the model accept what is stored, give
    the module an upcaster, or publish the aggregate anew.

    Attributes:
        pk: Partition key of the row.
        sk: Sort key of the row.
        problems: What the model has to say, by field. No values of the row.
        others: Keys of further rows, where the error is about several.
    """

    code = "unreadable-row"

    def __init__(
        self,
        module: str,
        pk: str,
        sk: str,
        problems: Sequence[FieldProblem],
        others: Sequence[tuple[str, str]] = (),
    ) -> None:
        found = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        more = f" (and {len(others)} more rows)" if others else ""
        super().__init__(
            f"module {module}: the row {pk} {sk} does not fit the model of today{more}: {found}; "
            "let the model accept it, add an upcaster, or publish the aggregate anew"
        )
        self.module = module
        self.pk = pk
        self.sk = sk
        self.problems = tuple(problems)
        self.others = tuple(others)


class SettingDoesNotFitError(CorruptRowError):
    """What is stored of a setting does not fit its model any more.

    Attributes:
        setting_code: Code of the setting.
        problems: What the model has to say, by field. No values.
    """

    code = "setting-does-not-fit"

    def __init__(self, setting_code: str, problems: Sequence[FieldProblem]) -> None:
        found = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        super().__init__(f"what is stored of setting {setting_code!r} does not fit its model: {found}")
        self.setting_code = setting_code
        self.problems = tuple(problems)


class UnreadableEventError(CorruptRowError):
    """Nothing in this code reads a stored event: its name or schema is unknown, or its class refuses it."""

    code = "unreadable-event"


class CorruptStreamError(CorruptRowError):
    """Commits of an aggregate are missing, so they make no state. Restore the rows that are gone."""

    code = "corrupt-stream"


class NewerSchemaError(CqrsError):
    """A row has a newer schema than this code knows: an old release beside, or after, a newer one.

    Nothing was written. Trying again helps as soon as the newer release runs here.
    """

    status = 503
    code = "newer-schema"

    def __init__(self, module: str, pk: str, sk: str, schema: int, known: int) -> None:
        super().__init__(
            f"module {module}: the row {pk} {sk} has schema {schema}, and this code knows {known}; "
            "deploy the release with its upcaster, or a later one"
        )
        self.schema = schema
        self.known = known


class UpcastError(CqrsError):
    """An upcaster failed on a stored row. Nothing was written: mend the upcaster and deploy it."""

    code = "upcast-failed"

    def __init__(self, module: str, pk: str, sk: str, schema: int, problem: str) -> None:
        super().__init__(
            f"module {module}: the upcaster from schema {schema} to {schema + 1} {problem}, "
            f"for the row {pk} {sk}"
        )
        self.schema = schema


class CommandError(CqrsError):
    """A command is refused for a reason of the domain. Nothing was appended.

    Command handlers raise it; over HTTP it is 422, and ``code`` the problem's type.

    Args:
        message: Why, for people.
        code: Why, for programs. Default: "command-rejected".
    """

    status = 422
    code = "command-rejected"

    def __init__(self, message: str, code: str = "command-rejected") -> None:
        CqrsError.__init__(self, message)  # `VersionError` has another base, which takes other arguments
        self.message = message
        self.code = code


class VersionError(CommandError, VersionConflictError):
    """Somebody else appended to the aggregate first. Nothing was appended.

    Attributes:
        winner: What they appended directly behind the version that was expected, as `RecordedEvent`;
            empty where the provider cannot tell.
        version: The version that was expected.
    """

    status = 409

    def __init__(self, pk: str, version: int, winner: Sequence[Any] = (), message: str | None = None) -> None:
        text = message or f"version conflict: {pk} has moved past version {version}; read it again and retry"
        # Not `CommandError.__init__`, which would call that of the other base.
        CqrsError.__init__(self, text)
        self.message, self.code = text, "version-conflict"
        self.pk = pk
        self.sk = ""
        self.version = version
        self.winner = tuple(winner)


class GapError(VersionError):
    """The version that was expected lies beyond the last one. Nothing was appended.

    Attributes:
        last: The version that the aggregate has come to.
    """

    def __init__(self, pk: str, version: int, last: int) -> None:
        super().__init__(
            pk,
            version,
            message=f"{pk} has come to version {last}, and version {version} was expected; read it again",
        )
        self.last = last


class CommandReusedError(CommandError):
    """The command id was used before, for another command to the aggregate. Nothing was appended."""

    def __init__(self, pk: str) -> None:
        super().__init__(
            f"the command id (over HTTP: the Idempotency-Key) was used for another command to {pk}; "
            "give each command an id of its own",
            "command-id-reused",
        )


class AggregateErasedError(CqrsError):
    """The aggregate was erased: its events are blanked, and it takes no new ones. Nothing was written."""

    status = 410
    code = "aggregate-erased"

    def __init__(self, pk: str) -> None:
        super().__init__(f"{pk} was erased; its id cannot be used again")


class RuleFailedError(CqrsError):
    """A rule or command of the service raised what nobody expects of it, or returned no decision.

    Nothing was written. What it raised is the cause; its text is not in the message.
    """

    code = "rule-failed"

    def __init__(self, module: str, what: str, rule: str, problem: str) -> None:
        kind = what.partition(" ")[2]
        super().__init__(f"module {module}: the {kind} {rule} {problem}; nothing was written")
        self.rule = rule


class DeliveryError(CqrsError):
    """A message, push or e-mail could not be handed over. Trying again may help."""

    code = "delivery-failed"


class BatchDeliveryError(DeliveryError):
    """Some entries of a batch were refused; the others are done.

    Attributes:
        failed: What was refused, and why: by the entry's position in the batch.
    """

    code = "batch-delivery-failed"
    written = "something"

    def __init__(self, operation: str, failed: Mapping[int, str]) -> None:
        reasons = "; ".join(f"entry {position}: {reason}" for position, reason in failed.items())
        super().__init__(f"{operation} refused {len(failed)} entries of the batch: {reasons}")
        self.failed = dict(failed)


class PreviousVersionPending(CqrsError):  # noqa: N818 - the state machine matches on this name
    """A handler's turn at the aggregate is taken, or not over yet. Retried with backoff."""

    code = "previous-version-pending"


class UnknownTriggerError(CqrsError):
    """Lambda delivered something, or asked for an action, that nothing in the app is for."""

    code = "unknown-trigger"


UnknownEventError = UnknownTriggerError
"""The name of `UnknownTriggerError` before "event" came to mean a domain event."""
