"""Orders over HTTP: placed and shipped by routes of their own, and read by those of the module."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import ConfigDict, Field

from product.attributes import CODE
from product.orders import OrderAttributes, Wanted, order, place, ship
from runtime import CqrsModel, module_routes, requires_role

__all__ = ["reads", "router"]

router = Router()
reads = module_routes(order, prefix="/orders", type="ORDER", only=["list", "get", "history"])


class NewOrder(CqrsModel):
    """What somebody orders."""

    model_config = ConfigDict(extra="forbid")

    lines: list[Wanted] = Field(min_length=1, max_length=20)


class Order(CqrsModel):
    """An order, by its number."""

    code: str
    version: int
    attributes: OrderAttributes


_PLACED: dict[int, Any] = {201: {"description": "Placed", "content": {"application/json": {"model": Order}}}}


@router.post("/orders", responses=_PLACED)
def create(body: NewOrder) -> Response[Order]:
    """Place an order. It is applied before the answer."""
    placed = place(body.lines)
    return Response(
        HTTPStatus.CREATED,
        content_type="application/json",
        headers={"Location": f"/orders/{placed.code}"},
        body=Order(code=placed.code, version=placed.version, attributes=placed.attributes),
    )


@router.post("/orders/<code>/ship")
@requires_role("dispatcher")
def send(code: Annotated[str, Path(pattern=CODE)]) -> Order:
    """Give an order the number of its shipment. Once more changes nothing."""
    sent = ship(code)
    return Order(code=sent.code, version=sent.version, attributes=sent.attributes)
