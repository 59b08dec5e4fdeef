"""Orders: placed with a number that has no gap before it, and shipped with one that may have."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import Field

from product.attributes import Code  # noqa: TC001 - pydantic reads the annotations
from product.masters import dispatch, master, tax_percent
from product.numbers import ORDER, SHIPMENT, sequences
from product.service import products
from runtime import (
    CommandInputModel,
    CommandModule,
    CqrsModel,
    FieldProblem,
    InvalidInputError,
    ItemNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime import CommandModel, DataModel, SequenceItem

__all__ = ["OrderAttributes", "OrderLine", "Wanted", "order", "orders", "place", "ship"]


class Wanted(CqrsModel):
    """Some of a product that somebody orders."""

    product: Code
    quantity: int = Field(ge=1, le=1000, strict=True)


class OrderLine(Wanted):
    """Some of a product, at what one of it costs with its tax."""

    price: Decimal


class OrderAttributes(CqrsModel):
    """The fields of an order that are its own. Its number is its code.

    Attributes:
        lines: What was ordered.
        total: What it costs.
        warehouse: Which warehouse sends it.
        due: When it is to be sent, by the calendar of its number.
        shipment_no: The number of its shipment, once it was sent.
    """

    lines: list[OrderLine]
    total: Decimal
    warehouse: str
    due: date
    shipment_no: str | None = None


order = CommandModule("order", attributes=OrderAttributes)

#: The orders of the caller's tenant, by number.
orders = order.service(type="ORDER", name="OrderService")


def place(wanted: Sequence[Wanted]) -> CommandModel[OrderAttributes]:
    """Place an order. Its number is used up in the transaction that stores it, or not at all.

    A request that is repeated with its ``Idempotency-Key`` gets the order of the first one.

    Raises:
        InvalidInputError: A product is unknown, or has no price.
        ContentionError: Others were placing orders for as long as this call tried.
    """
    how = master.settings.get_setting(dispatch)
    lines = [_line(index, each) for index, each in enumerate(wanted)]
    total = sum((line.price * line.quantity for line in lines), Decimal(0))
    pk = orders.pk(write=True)

    # It may be called again, with another number: it only says what the order is.
    def numbered(number: SequenceItem) -> CommandInputModel[OrderAttributes]:
        return CommandInputModel[OrderAttributes](
            pk=pk,
            sk=number.formatted_no,
            code=number.formatted_no,
            name=f"Order {number.formatted_no}",
            type=orders.type,
            version=0,
            attributes=OrderAttributes(
                lines=lines,
                total=total,
                warehouse=how.warehouse,
                due=number.issued_at.date() + timedelta(days=how.days),
            ),
        )

    return order.commands.publish_numbered(sequences.slot(ORDER), numbered, sync=True)


def ship(code: str) -> DataModel[OrderAttributes]:
    """Give an order the number of its shipment; one that has it stays as it is.

    The number is taken under the order's own: whoever dies between the two writes finds the same
    number again.

    Raises:
        ItemNotFoundError: There is no such order.
        VersionConflictError: Somebody else has changed it meanwhile.
    """
    found = orders.get(code)
    if found.attributes.shipment_no is None:
        number = sequences.generate_sequence_item(
            SHIPMENT, codes=[found.attributes.warehouse], idempotency_key=code
        )
        changes: dict[str, Any] = {"attributes": {"shipment_no": number.formatted_no}}
        orders.change(code, changes, version=found.version, sync=True)
    return orders.get(code)


def _line(index: int, wanted: Wanted) -> OrderLine:
    """What is ordered, at its price."""
    try:
        found = products.get(wanted.product).attributes
    except ItemNotFoundError:
        found = None
    if found is None or found.price is None:
        message = f"must be a product with a price, got {wanted.product!r}"
        raise InvalidInputError([FieldProblem(f"lines.{index}.product", message)])
    gross = found.price * (100 + tax_percent(found.category)) / 100
    return OrderLine(**wanted.model_dump(), price=gross.quantize(Decimal("0.01")))
