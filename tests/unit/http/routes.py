"""Routes that the tests of the HTTP side call."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from runtime import (
    ConfigurationError,
    CqrsModel,
    DataListModel,
    DataModel,
    FieldProblem,
    ForbiddenError,
    HandlersPendingError,
    InvalidInputError,
    InvalidVersionError,
    ItemNotFoundError,
    VersionConflictError,
)
from runtime.identity.context import current_invoke_context

router = Router()

#: Sent by tests in places where it must not come back.
MARKER = "do-not-repeat-me"


class Priority(Enum):
    LOW = "low"
    HIGH = "high"


class Cat(CqrsModel):
    kind: Literal["cat"]


class Dog(CqrsModel):
    kind: Literal["dog"]


class Details(CqrsModel):
    title: str = Field(min_length=1)
    due_date: int | None = None
    price: Decimal | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    tags: list[str] = Field(default_factory=list)


class NewThing(CqrsModel):
    version: int = Field(strict=True)
    attributes: Details


@router.post("/things")
def create(thing: NewThing) -> NewThing:
    return thing


@router.post("/many")
def create_many(things: list[NewThing]) -> list[NewThing]:
    return things


@router.get("/things")
def find(
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    start_from_sk: Annotated[str | None, Query(alias="startFromSk")] = None,
) -> dict[str, Any]:
    return {"limit": limit, "startFromSk": start_from_sk}


@router.get("/things/<code>")
def get(code: str) -> DataModel:
    return DataModel(pk="T#a", sk=code, version=2, attributes={"note": None, "price": Decimal("1.10")})


@router.get("/page")
def page() -> DataListModel:
    return DataListModel(items=[DataModel(pk="T#a", sk="1", version=1)])


@router.delete("/things/<code>")
def delete(code: str) -> Response[None]:  # noqa: ARG001
    return Response(204)


@router.get("/nothing")
def nothing() -> None:
    return None


@router.put("/things/<code>")
def put(code: str) -> tuple[dict[str, Any], int]:
    context = current_invoke_context()
    assert context is not None
    return {"code": code, "requestId": context.request_id, "ip": context.source_ip}, 202


ERRORS: dict[str, Exception] = {
    "input": InvalidInputError([FieldProblem("attributes.title", "is taken")]),
    "version": InvalidVersionError(7),
    "forbidden": ForbiddenError("the key does not belong to your tenant"),
    "missing": ItemNotFoundError("there is no such thing"),
    "conflict": VersionConflictError("T#a", MARKER, 3),
    "pending": HandlersPendingError("T#a", MARKER, 4, ["Handler"]),
    "configuration": ConfigurationError(f"TABLE must be set, got {MARKER}"),
    "powertools": NotFoundError("nothing here"),
    "crash": RuntimeError(MARKER),
}


@router.get("/errors/<name>")
def fail(name: str) -> None:
    try:
        _ = {}[MARKER]
    except KeyError as cause:
        raise ERRORS[name] from cause
