"""Asking a module's rules about what is about to be written, and taking what they make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from runtime.commands.command_row import Draft, columns_of
from runtime.commands.partial import PartialUpdate
from runtime.commands.state import Attributes, Change, State, state_of
from runtime.errors import (
    CorruptRowError,
    CqrsError,
    FieldProblem,
    InvalidInputError,
    ItemNotFoundError,
    RuleFailedError,
    RuleViolationError,
    UpcastError,
)
from runtime.generics import AttributesT
from runtime.identity.user import user_id_of
from runtime.log import logger
from runtime.model.keys import add_sort_key_version, get_tenant_code
from runtime.model.models import CommandInputModel
from runtime.model.rows import SCHEMA_COLUMN, is_deleted
from runtime.model.validation import input_model_of, validated_input

if TYPE_CHECKING:
    from runtime.commands.base import Base
    from runtime.identity.context import InvokeContext
    from runtime.imports import FunctionReference
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.row_reader import Written
    from runtime.store.values import Row

__all__ = ["Decision", "Rule", "RuleSource", "changed", "decided"]

Decision = State[AttributesT] | FieldProblem | Iterable[FieldProblem] | None
"""What a rule says: None accepts, problems refuse, a state is to be written in place of the next one."""

Rule = Callable[[Change[AttributesT]], Decision[AttributesT]]
"""Gets what is about to become of an item, and decides. It may be asked several times, and does nothing."""

RuleSource = Rule[AttributesT] | str
"""A rule, or where to import it from: ``"package.module:name"``."""

_FIELDS: Final = ("code", "name", "type", "seq", "ttl")


def decided(
    context: ModuleContext, key: DetailKey, invoke_context: InvokeContext, base: Base, draft: Draft
) -> Draft:
    """The draft as the module's rules leave it: the very same one where they only accept it.

    Each gets what the one before it has made of the next state.

    Raises:
        RuleViolationError: A rule refuses it.
        RuleFailedError: A rule failed.
        CqrsError: A rule raised it, and it says that nothing was written.
    """
    before = None if base.row is None else state_of(context.rows, key, base.row)
    for reference in context.decide:
        row = _next_row(context, key, invoke_context, base, draft)
        change = Change(before=before, after=state_of(context.rows, key, row), invoke_context=invoke_context)
        answer = _asked(context, reference, change)
        if answer is not None:
            draft = _redrafted(context, change.after, answer, draft)
    return draft


def _next_row(
    context: ModuleContext, key: DetailKey, invoke_context: InvokeContext, base: Base, draft: Draft
) -> Row:
    version = base.version + 1
    own = {
        "sk": add_sort_key_version(key.sk, version),
        "version": version,
        "updatedBy": user_id_of(invoke_context),
    }
    return context.schema.stamp(context.schema.current, version) | draft.row | own


def _asked(context: ModuleContext, reference: FunctionReference, change: Change[Any]) -> State[Any] | None:
    """What a rule makes of a change; None where it leaves it as it is."""
    try:
        return _answered(context, reference, lambda: reference.function(change), change.after)
    except (CorruptRowError, UpcastError) as error:
        states = (change.before, change.after)
        is_unreadable = any(state is not None and state.held.error is error for state in states)
        if not is_unreadable or not change.after.is_deleted:
            raise
        # Otherwise what today's model does not accept could never be deleted.
        logger.warning("rule passed over: what is to be deleted cannot be read", rule=reference.name)
        return None


def _answered(
    context: ModuleContext, reference: FunctionReference, ask: Callable[[], Any], state: State[Any]
) -> State[Any] | None:
    """What the user's code makes of a state; None where it leaves it as it is.

    Raises:
        RuleViolationError: It refuses.
        RuleFailedError: It failed.
        CqrsError: It raised it, and it says that nothing was written.
    """
    try:
        answer = _answer_of(ask())
    except Exception as error:
        if isinstance(error, CqrsError) and error.written == "nothing":
            raise
        raise _failed(context, reference, f"raised {type(error).__name__}") from error
    if isinstance(answer, _Strange):
        raise _failed(context, reference, f"must return None, problems or a state, got {answer.kind}")
    if answer is None and _are_changed(state):
        what = "has changed attributes in place; return state.replace(attributes=...) or leave them"
        raise _failed(context, reference, what)
    if answer is not None and answer.key != state.key:
        raise _failed(context, reference, "returned the state of another item")
    return answer


class _Strange:
    """What is no decision."""

    def __init__(self, answer: object) -> None:
        self.kind = type(answer).__name__


def _answer_of(decision: Any) -> State[Any] | _Strange | None:  # noqa: ANN401 - whatever the user's code returns
    """The state that a decision is, or None where it accepts.

    Raises:
        RuleViolationError: It refuses.
    """
    if decision is None or isinstance(decision, State):
        return decision
    if isinstance(decision, FieldProblem):
        raise RuleViolationError([decision])
    if not isinstance(decision, Iterable) or isinstance(decision, str | bytes | Mapping):
        return _Strange(decision)
    problems = [*decision]
    for problem in problems:
        if not isinstance(problem, FieldProblem):
            return _Strange(problem)
    if problems:
        raise RuleViolationError(problems)
    return None


def _failed(context: ModuleContext, reference: FunctionReference, problem: str) -> RuleFailedError:
    return RuleFailedError(context.name, reference.what, reference.name, problem)


def changed(context: ModuleContext, key: DetailKey, base: Base, reference: FunctionReference) -> Draft | None:
    """The draft of what a function makes of an item; None where it leaves the item as it is.

    Args:
        context: Module of the item.
        key: Its key.
        base: The version to build on.
        reference: The function. It gets the state.

    Raises:
        ItemNotFoundError: There is no such item, or not any more.
        RuleViolationError: The function refuses.
        RuleFailedError: It failed.
        CqrsError: It raised it, and it says that nothing was written.
    """
    if base.row is None or is_deleted(base.row):
        msg = "there is no such item"
        raise ItemNotFoundError(msg)
    state = state_of(context.rows, key, base.row)
    answer = _answered(context, reference, lambda: reference.function(state), state)
    if answer is None:
        return None
    is_same_ttl = answer.ttl == state.ttl
    if is_same_ttl and _is_retained(context, key, base.row):
        answer = answer.replace(ttl=None)
    if answer.held is state.held and not _are_changed(answer):
        names = (*_FIELDS, "is_deleted")
        fields = {name: value for name in names if (value := getattr(answer, name)) != getattr(state, name)}
        update = {**key._asdict(), "version": base.version, **fields, "ttl": answer.ttl}
        draft = PartialUpdate(context, update, sync=False).draft(base)
    else:
        draft = _redrafted(context, state, answer, Draft(base.row))
    return replace(draft, says_ttl=not is_same_ttl)


def _is_retained(context: ModuleContext, key: DetailKey, row: Row) -> bool:
    """Whether a row's time to live may be the one that retention gives a data row, at each write anew."""
    if row["sk"] != key.sk:
        return False
    return context.retention.get_ttl_configuration("data", get_tenant_code(key.pk)) is not None


def _redrafted(context: ModuleContext, before: State[Any], after: State[Any], draft: Draft) -> Draft:
    """A draft that says ``after`` where it has said ``before``; the same one where they say the same.

    What is not changed stays to the letter, attributes that the model does not know included.

    Raises:
        InvalidInputError: The state is not valid.
    """
    attributes_stay = after.held is before.held and not _are_changed(after)
    if attributes_stay and all(
        getattr(before, name) == getattr(after, name) for name in (*_FIELDS, "is_deleted")
    ):
        return draft
    says_ttl = draft.says_ttl or before.ttl != after.ttl
    command = {name: getattr(after, name) for name in _FIELDS} | {
        **after.key._asdict(),
        "id": draft.row.get("id"),
        "version": after.version - 1,
        "is_deleted": after.is_deleted or None,
    }
    if attributes_stay:
        columns = columns_of(validated_input(CommandInputModel[Any], command))
        kept = {name: draft.row[name] for name in ("attributes", SCHEMA_COLUMN) if name in draft.row}
        return Draft(columns | kept, draft.attributes, says_ttl)
    model = input_model_of(context.attributes)
    checked = validated_input(model, command | {"attributes": after.attributes})
    if not after.is_deleted:  # what has become invalid can be deleted, by whatever way
        context.rows.check_today(checked.attributes)
    written = _written(context, before, checked.attributes)
    context.large_attributes.check_text(written.column, after.key)
    columns = columns_of(checked)
    if written.column is not None:
        columns["attributes"] = written.column
    return Draft(columns, written.attributes, says_ttl)


def _are_changed(state: State[Any]) -> bool:
    return isinstance(state.held, Attributes) and state.held.are_changed()


def _written(context: ModuleContext, before: State[Any], attributes: Any) -> Written:  # noqa: ANN401
    """Attributes as a column, with what is stored beside them and unknown to the model."""
    rows, held = context.rows, before.held
    if isinstance(held, Attributes) and attributes is not None:
        try:
            raw, old, new = held.raw(), held.as_read(), held.plain(attributes)
            return rows.written(attributes, rows.kept(raw, old, new))
        except (InvalidInputError, CorruptRowError, UpcastError):
            pass  # what cannot be read, or has a field under two names: then as the model writes it
    return rows.written(attributes)
