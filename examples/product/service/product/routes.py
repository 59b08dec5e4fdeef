"""Products over HTTP.

A command is accepted with 202 and applied a moment later; with ``?mode=sync`` it is
applied before the answer: 201 for a new product, 200 for a changed one. 204 says that
nothing had to change. A request that is sent again with the same ``Idempotency-Key``
header publishes nothing more.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from product import bulk as many
from product import resync as again
from product import search as found
from product import service
from product.attributes import CODE, ProductAttributes
from product.bodies import (
    BulkResults,
    Changes,
    History,
    NewProduct,
    NextProduct,
    Receipt,
    Resync,
)
from product.service import Mode
from runtime import DataListModel, DataModel  # noqa: TC001

if TYPE_CHECKING:
    from runtime import CommandModel

__all__ = ["router"]

router = Router()

Code = Annotated[str, Path(pattern=CODE)]
ModeParameter = Annotated[Mode, Query()]


def _answers(applied: HTTPStatus) -> dict[int, Any]:
    """The answers to a command, for the OpenAPI document."""
    content = {"application/json": {"model": Receipt}}
    return {
        applied: {"description": "Applied (mode=sync)", "content": content},
        202: {"description": "Accepted", "content": content},
        204: {"description": "Nothing had to change"},
    }


_BULK: dict[int, Any] = {
    207: {"description": "What became of each", "content": {"application/json": {"model": BulkResults}}}
}


@router.post("/products", responses=_answers(HTTPStatus.CREATED))
def create(body: NewProduct, mode: ModeParameter = "async") -> Response[Receipt]:
    """Make a product."""
    sync = mode == "sync"
    command = service.products.create(body.attributes, sk=body.code, name=body.name, sync=sync)
    return _answer(command, mode, HTTPStatus.CREATED)


@router.post("/products/bulk", responses=_BULK)
def bulk(body: list[Any], mode: ModeParameter = "async") -> Response[BulkResults]:
    """Make or replace up to 100 products, each on its own: one may be refused, and the next not."""
    results = many.publish(body, mode=mode)
    return Response(HTTPStatus.MULTI_STATUS, content_type="application/json", body=BulkResults(items=results))


@router.put("/products/resync")
def resync(
    resume_from: Annotated[str | None, Query(alias="resumeFrom")] = None,
) -> Resync:
    """Feed all products to the SQL table again. Takes a role for all tenants."""
    return again.resync(resume_from)


@router.get("/products/search")
def search(
    keyword: Annotated[str | None, Query()] = None,
    category: Annotated[str | None, Query()] = None,
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(alias="pageSize", ge=1, le=100)] = 20,
    order_bys: Annotated[list[str] | None, Query(alias="orderBys")] = None,
) -> found.FoundProducts:
    """One page of what matches, from SQL. ``orderBys`` may be repeated; ``-price`` descends."""
    listing = found.search(
        keyword=keyword,
        category=category,
        page=page,
        page_size=page_size,
        order_bys=order_bys or ["-createdAt"],
    )
    return found.FoundProducts(items=list(listing.items), total=listing.total, page=page, page_size=page_size)


@router.put("/products/<code>", responses=_answers(HTTPStatus.OK))
def update(code: Code, body: NextProduct, mode: ModeParameter = "async") -> Response[Receipt]:
    """Replace a product."""
    sync = mode == "sync"
    command = service.products.replace(code, body.attributes, version=body.version, name=body.name, sync=sync)
    return _answer(command, mode, HTTPStatus.OK)


@router.patch("/products/<code>", responses=_answers(HTTPStatus.OK))
def patch(code: Code, body: Changes, mode: ModeParameter = "async") -> Response[Receipt]:
    """Change some fields of a product."""
    changes = body.model_dump(exclude_unset=True, exclude={"version"})
    command = service.products.change(code, changes, version=body.version, sync=mode == "sync")
    return _answer(command, mode, HTTPStatus.OK)


@router.delete("/products/<code>", responses=_answers(HTTPStatus.OK))
def delete(
    code: Code, version: Annotated[int, Query(ge=1, le=9_999_999_999)], mode: ModeParameter = "async"
) -> Response[Receipt]:
    """Delete a product, softly."""
    command = service.products.delete(code, version=version, sync=mode == "sync")
    return _answer(command, mode, HTTPStatus.OK)


@router.get("/products/<code>")
def get(code: Code) -> DataModel[ProductAttributes]:
    """One product. Callers see their own changes at once."""
    return service.products.get(code)


@router.get("/products/<code>/history")
def history(code: Code) -> History:
    """The states that were replaced, oldest first."""
    return History(items=service.history(code))


@router.get("/products")
def find(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    start_from_sk: Annotated[str | None, Query(alias="startFromSk")] = None,
) -> DataListModel[ProductAttributes]:
    """One page of products, by code. ``lastSk`` of a page is ``startFromSk`` of the next."""
    return service.products.list(limit=limit, start_from_sk=start_from_sk)


def _answer(
    command: CommandModel[ProductAttributes] | None, mode: Mode, applied: HTTPStatus
) -> Response[Receipt]:
    """The answer to a command."""
    if command is None:
        return Response(HTTPStatus.NO_CONTENT)
    return Response(
        applied if mode == "sync" else HTTPStatus.ACCEPTED,
        content_type="application/json",
        headers={"Location": f"/products/{command.code}"},
        body=Receipt(
            id=command.id,
            code=command.code,
            version=command.version,
            request_id=command.request_id,
        ),
    )
