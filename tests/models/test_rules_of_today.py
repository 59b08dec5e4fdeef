"""What today's rules do not allow gets into an item by no way: neither by a command nor by a rule."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import AfterValidator, Field, FutureDate, FutureDatetime, PastDate, model_validator

from runtime import (
    Change,
    CommandModule,
    CqrsApp,
    CqrsModel,
    InvalidInputError,
    ItemCommand,
    State,
    UserContext,
    clock,
    module_routes,
)
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable

SYNC = {"mode": "sync"}
PAST, LATER = date(2001, 1, 1), date(2999, 1, 1)
PAST_MOMENT = datetime.fromisoformat("2001-01-01T00:00:00+00:00")


class Due(CqrsModel):
    due: FutureDate = LATER
    count: int = 0


class Step(CqrsModel):
    at: FutureDatetime


class Plan(CqrsModel):
    steps: list[list[Step]] = Field(default_factory=list)
    by_name: dict[str, Due] = Field(default_factory=dict)
    either: Due | Step | None = None


class Ordered(CqrsModel):
    """A rule of the whole model, without a clock."""

    least: int = 0
    most: int = 10
    born: PastDate = PAST

    @model_validator(mode="after")
    def is_ordered(self) -> Ordered:
        if self.least > self.most:
            message = "least must not be more than most"
            raise ValueError(message)
        return self


def _is_short(found: Due) -> Due:
    if found.count > 5 and found.due > clock.now().date():
        message = "is too much"
        raise ValueError(message)
    return found


@dataclasses.dataclass
class Dated:
    due: FutureDate = LATER


CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any], str]] = {
    "a field": (Due, {}, {"due": PAST}, "attributes.due"),
    "a nested list": (
        Plan,
        {},
        {"steps": [[Step.model_construct(at=PAST_MOMENT)]]},
        "attributes.steps.0.0.at",
    ),
    "a map": (
        Plan,
        {},
        {"by_name": {"a": Due.model_construct(due=PAST, count=1)}},
        "attributes.byName.a.due",
    ),
    "a union": (Plan, {}, {"either": Step.model_construct(at=PAST_MOMENT)}, "attributes.either"),
    "the past": (Ordered, {}, {"born": LATER}, "attributes.born"),
    "the whole model": (Ordered, {}, {"least": 11}, "attributes"),
    "a validator of the whole": (Annotated[Due, AfterValidator(_is_short)], {}, {"count": 6}, "attributes"),
    "a dataclass": (Dated, {}, {"due": PAST}, "attributes.due"),
}


def updated(found: Any, change: dict[str, Any]) -> Any:
    if dataclasses.is_dataclass(found):
        return dataclasses.replace(found, **change)  # type: ignore[type-var]
    return found.model_copy(update=change)


def service(model: Any, change: Callable[[Any], Any], *, rule: bool = False) -> MemoryApp:
    """A service whose command, or whose rule, changes attributes."""

    def command(state: State[Any], _body: None, _user: UserContext) -> State[Any]:
        return state.replace(attributes=change(state.attributes))

    def decide(asked: Change[Any]) -> State[Any] | None:
        if asked.operation == "create":
            return None
        return asked.after.replace(attributes=change(asked.after.attributes))

    module: CommandModule[Any] = CommandModule("item", attributes=model, decide=[decide] if rule else [])
    routes = module_routes(module, prefix="/items", type="ITEM", commands={"change": ItemCommand(command)})
    return MemoryApp(CqrsApp(modules=[module], routes=[routes]))


@pytest.mark.parametrize("way", ["a command", "a rule", "publish_change"])
@pytest.mark.parametrize("name", CASES)
def test_no_way_goes_past_the_rules_of_today(name: str, way: str) -> None:
    model, attributes, change, field = CASES[name]
    with service(model, lambda found: updated(found, change), rule=way == "a rule") as memory:
        ann = memory.client(tenant="acme", user="ann")
        body = {"sk": "a", "version": 0, "name": "a", "attributes": attributes}
        assert ann.post("/items", body, params=SYNC).status == 201
        if way == "publish_change":
            (module,) = memory.app.modules.values()
            with pytest.raises(InvalidInputError) as caught:
                module.commands.publish_change(
                    ("ITEM#acme", "a"),
                    lambda state: state.replace(attributes=updated(state.attributes, change)),
                    invoke_context=memory.user("ann", tenant="acme"),
                )
            fields = [problem.field for problem in caught.value.problems]
        else:
            path = "/items/a/change" if way == "a command" else "/items/a"
            answer = ann.post(path) if way == "a command" else ann.patch(path, {"version": 1, "name": "b"})
            assert (answer.status, answer.json()["written"]) == (400, "nothing"), answer.text
            fields = [error["field"] for error in answer.json()["errors"]]
        assert {found[: len(field)] for found in fields} == {field}
        assert len(memory.rows("item", "command")) == 1


def test_what_time_has_made_invalid_can_be_deleted_and_a_rule_may_sign_it() -> None:
    with service(Due, lambda found: found.model_copy(update={"count": 7}), rule=True) as memory:
        (module,) = memory.app.modules.values()
        # Given as an instance, it is as its author has checked it: that is how time goes by here.
        command = {"pk": "ITEM#acme", "sk": "a", "code": "a", "name": "a", "type": "ITEM", "version": 0}
        past = Due.model_construct(due=PAST, count=1)
        me = memory.user("ann", tenant="acme")
        assert module.commands.publish_sync({**command, "attributes": past}, invoke_context=me) is not None
        ann = memory.client(tenant="acme", user="ann")
        assert ann.post("/items/a/change").status == 400
        assert ann.delete("/items/a", params=SYNC | {"version": 1}).status == 200
        (row,) = memory.rows("item", "data")
        assert (row["isDeleted"], row["attributes"]["count"]) == (True, 7)
