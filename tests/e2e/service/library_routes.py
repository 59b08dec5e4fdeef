"""Books and readers over HTTP, what the read model says of books, and notices that are dispatched."""

from __future__ import annotations

from typing import Annotated, Literal

import boto3
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from botocore.exceptions import ClientError
from library import CountLoan, Notice, book, book_commands, build_notice, domain, reader_commands
from library_handlers import catalogue, service
from stores import titles

from runtime import CqrsModel, acting_tenant, check_min_version, event_routes

router = APIGatewayHttpRouter()
books = event_routes(book_commands, prefix="/books", events=True)
readers = event_routes(reader_commands, prefix="/readers", without=[CountLoan])


class Posted(CqrsModel):
    version: int
    notice: Notice


class Tampering(CqrsModel):
    operation: Literal["update_item", "delete_item"]
    table: str
    pk: str
    sk: str


@router.get("/catalogue")
def find(wait: Annotated[float, Query()] = 10.0) -> dict[str, str]:
    """The titles of the tenant's books, by id, as the read model has them."""
    check_min_version(catalogue, book, wait=wait)
    return titles(str(acting_tenant(write=False)))


@router.get("/inventory")
def ids() -> list[str]:
    """The ids of the tenant's books, as the store has them."""
    return sorted(domain[book].ids())


@router.post("/notices/<notice_id>")
def post(notice_id: str, body: Posted) -> dict[str, str]:
    """Store a notice, and leave its handler to a thread."""
    event = build_notice(version=body.version, created_by="e2e", payloads=body.notice, aggregate_id=notice_id)
    service.dispatch(event)
    return {"id": event.id}


@router.post("/tamper")
def tamper(body: Tampering) -> dict[str, str]:
    """Try what the function may not do: nothing of the library is in between."""
    key = {"pk": {"S": body.pk}, "sk": {"S": body.sk}}
    try:
        getattr(boto3.client("dynamodb"), body.operation)(TableName=body.table, Key=key)
    except ClientError as error:
        return {"error": error.response["Error"]["Code"]}
    return {"error": ""}
