"""A feature of a user's own, with all that a feature may bring."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import CommandModule, Feature, ForbiddenError, InvokeContext, Operation, acting_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import OperationArguments, Triggers

__all__ = ["Billing", "billing_routes", "pay"]

PAID = "BillsPaid"


class Billing(Feature):
    """Bills, paid by messages of a queue; a tenant that has not paid is not served."""

    name = "billing"
    operations: Mapping[str, Operation | str] = {
        "listPaid": Operation("tests.features.support:list_paid", ("tenant", "limit")),
        "forgetPaid": "tests.features.support:FORGET",
    }

    def __init__(self, *, queue: str = "payments") -> None:
        self.bill = CommandModule("bill")
        self.modules = (self.bill,)
        self.queue = queue
        self.preloaded: list[str] = []
        self.unpaid: set[str] = set()
        self.paid: list[str] = []
        self.taken: list[dict[str, Any]] = []

    def add_triggers(self, triggers: Triggers) -> None:
        triggers.on_queue(self.deployed.get("queue", self.queue), self.take_payment)

    def preload(self, function: str) -> None:
        self.preloaded.append(function)

    def admit(self, tenant_code: str, invoke_context: InvokeContext) -> None:
        if tenant_code in self.unpaid and "collector" not in str(invoke_context.claims):
            message = "the tenant has not paid"
            raise ForbiddenError(message)

    def take_payment(self, record: dict[str, Any]) -> None:
        self.taken.append(record)
        pay(self, json.loads(record["body"])["code"])


def pay(billing: Billing, code: str) -> None:
    billing.bill.commands.publish_async(
        {"pk": "BILL#acme", "sk": code, "code": code, "type": "BILL", "name": code, "version": 0},
        invoke_context=InvokeContext(claims={"sub": "payments", "custom:tenant": "acme"}),
    )
    billing.paid.append(code)
    billing.count(PAID)


def list_paid(billing: Billing, arguments: OperationArguments) -> dict[str, Any]:
    return {"tenant": arguments.text("tenant"), "paid": billing.paid[: arguments.limit()]}


def forget_paid(billing: Billing, _arguments: OperationArguments) -> dict[str, Any]:
    billing.paid.clear()
    return {}


FORGET = Operation(forget_paid)


def billing_routes(billing: Billing, *, prefix: str = "/billing") -> Router:
    """Routes of the feature, as a function, as those of the house are."""
    router = Router()

    @router.get(f"{prefix}/paid")
    def paid() -> dict[str, Any]:
        return {"tenant": acting_tenant(write=False), "paid": billing.paid}

    return router
