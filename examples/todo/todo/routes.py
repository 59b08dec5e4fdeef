"""Todos over HTTP.

A command is accepted with 202 and applied a moment later; with ``?mode=sync`` it is
applied before the answer: 201 for a new todo, 200 for a changed one. 204 says that
nothing had to change: the version sent is still the latest. A request that is sent again
with the same ``Idempotency-Key`` header publishes nothing more.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import ConfigDict, Field

from runtime import CqrsModel, DataListModel, DataModel
from todo import service
from todo.attributes import TodoAttributes  # noqa: TC001 - pydantic reads the annotations
from todo.service import Mode, todos

if TYPE_CHECKING:
    from runtime import CommandModel

__all__ = ["router"]

router = Router()

CODE = r"^[A-Za-z0-9_-]{1,64}$"
Code = Annotated[str, Path(pattern=CODE)]
ModeParameter = Annotated[Mode, Query()]


class NewTodo(CqrsModel):
    """Body of a request to make a todo. ``code`` defaults to a new one."""

    model_config = ConfigDict(extra="forbid")

    code: str | None = Field(default=None, pattern=CODE)
    attributes: TodoAttributes


class ChangedTodo(CqrsModel):
    """Body of a request to change a todo: the version that it was, and all that it is to be."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=9_999_999_999, strict=True)
    attributes: TodoAttributes


class Receipt(CqrsModel):
    """What was published; ``requestId`` is the id of the notification that will follow."""

    id: str | None
    code: str | None
    version: int
    request_id: str | None


def _answers(applied: HTTPStatus) -> dict[int, Any]:
    """The answers to a command, for the OpenAPI document."""
    content = {"application/json": {"model": Receipt}}
    return {
        applied: {"description": "Applied (mode=sync)", "content": content},
        202: {"description": "Accepted", "content": content},
        204: {"description": "Nothing had to change"},
    }


@router.post("/todos", responses=_answers(HTTPStatus.CREATED))
def create(body: NewTodo, mode: ModeParameter = "async") -> Response[Receipt]:
    """Make a todo."""
    command = service.create(body.attributes, code=body.code, mode=mode)
    return _answer(command, mode, HTTPStatus.CREATED)


@router.put("/todos/<code>", responses=_answers(HTTPStatus.OK))
def update(code: Code, body: ChangedTodo, mode: ModeParameter = "async") -> Response[Receipt]:
    """Replace a todo's attributes."""
    return _answer(service.update(code, body.version, body.attributes, mode=mode), mode, HTTPStatus.OK)


@router.delete("/todos/<code>", responses=_answers(HTTPStatus.OK))
def delete(
    code: Code, version: Annotated[int, Query(ge=1, le=9_999_999_999)], mode: ModeParameter = "async"
) -> Response[Receipt]:
    """Delete a todo, softly."""
    return _answer(todos.delete(code, version=version, sync=mode == "sync"), mode, HTTPStatus.OK)


@router.get("/todos/<code>")
def get(code: Code) -> DataModel[TodoAttributes]:
    """One todo. Callers see their own changes at once."""
    return todos.get(code)


@router.get("/todos")
def find(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    start_from_sk: Annotated[str | None, Query(alias="startFromSk")] = None,
) -> DataListModel[TodoAttributes]:
    """One page of todos, by code. ``lastSk`` of a page is ``startFromSk`` of the next."""
    return todos.list(limit=limit, start_from_sk=start_from_sk)


def _answer(
    command: CommandModel[TodoAttributes] | None, mode: Mode, applied: HTTPStatus
) -> Response[Receipt]:
    """The answer to a command."""
    if command is None:
        return Response(HTTPStatus.NO_CONTENT)
    return Response(
        applied if mode == "sync" else HTTPStatus.ACCEPTED,
        content_type="application/json",
        headers={"Location": f"/todos/{command.code}"},
        body=Receipt(
            id=command.id,
            code=command.code,
            version=command.version,
            request_id=command.request_id,
        ),
    )
