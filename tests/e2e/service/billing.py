"""A feature of the service's own: payments come by a queue of its construct, and each makes a note."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from runtime import Feature, InvokeContext, ItemNotFoundError, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import CommandModule, OperationArguments, Triggers

__all__ = ["Billing", "billing_routes", "show_paid"]


class Billing(Feature):
    """What tenants have paid.

    Args:
        note: Where it is noted.
    """

    name = "billing"
    operations: Mapping[str, Operation | str] = {
        "showPaid": Operation("billing:show_paid", ("tenant", "code"))
    }

    def __init__(self, note: CommandModule[Any]) -> None:
        self.note = note

    def add_triggers(self, triggers: Triggers) -> None:
        triggers.on_queue(self.deployed.get("queue", "payments"), self.take)

    def take(self, message: dict[str, Any]) -> None:
        said = json.loads(message["body"])
        tenant, code = said["tenant"], said["code"]
        self.note.commands.publish_sync(
            {
                "pk": f"NOTE#{tenant}",
                "sk": code,
                "code": code,
                "name": "paid",
                "type": "NOTE",
                "version": 0,
            },
            invoke_context=InvokeContext(claims={"sub": "payments", "custom:tenant": tenant}),
        )
        self.count("BillsPaid")


def show_paid(billing: Billing, arguments: OperationArguments) -> dict[str, Any]:
    key = (f"NOTE#{arguments.text('tenant')}", arguments.text("code"))
    found = billing.note.data.get_item(key, consistent=True)
    return {"paid": found is not None and found.name == "paid"}


def billing_routes(billing: Billing) -> APIGatewayHttpRouter:
    """Routes of the feature."""
    router = APIGatewayHttpRouter()
    notes = billing.note.service(type="NOTE")

    @router.get("/billing/<code>")
    def paid(code: str) -> dict[str, bool]:
        try:
            return {"paid": notes.get(code).name == "paid"}
        except ItemNotFoundError:
            return {"paid": False}

    return router
