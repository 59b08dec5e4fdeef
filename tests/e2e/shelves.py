"""The module of events of the deployed service, as its clients and its operators see it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.support.polling import wait_until
from tests.support.rows import plain

if TYPE_CHECKING:
    from datetime import timedelta

    import httpx

    from tests.e2e.deployment import Deployment

MODULE = "library"
#: Pages of a book whose text no row has room for.
LARGE = 20_000


class Shelves:
    """Books, and what is kept about them."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.events_table = deployment.table(MODULE, "events")
        self.sync_table = deployment.table(MODULE, "sync")
        self._dynamodb = deployment.emulator.client("dynamodb")

    def pk(self, aggregate_id: str, stream: str = "books") -> str:
        return f"{stream}#{aggregate_id}#{self.deployment.tenant}"

    def do(self, path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """Send a command: ``books/b1/lend-book``."""
        return self.deployment.request("POST", f"/{path}", json=body, headers=headers)

    def acquire(self, book: str, **body: Any) -> None:
        answer = self.do(f"books/{book}/acquire-book", **({"title": f"Title of {book}"} | body))
        assert answer.status_code == 200, answer.text

    def commits(self, pk: str) -> list[dict[str, Any]]:
        """What was appended to an aggregate, the oldest first."""
        found = self._dynamodb.query(
            TableName=self.events_table,
            KeyConditionExpression="pk = :pk AND sk < :commands",
            ExpressionAttributeValues={":pk": {"S": pk}, ":commands": {"S": "a"}},
            ConsistentRead=True,
        )
        return [plain(item) for item in found["Items"]]

    def seen(self, store: str, aggregate_id: str) -> list[int]:
        """The versions of an aggregate that a store was told of, in order."""
        return [int(one.rpartition("@")[2]) for one in self.deployment.seen(store, aggregate_id)]

    def wait_until_seen(self, store: str, aggregate_id: str, *versions: int) -> None:
        wait_until(lambda: self.seen(store, aggregate_id) == list(versions), seconds=30)

    def cursor(self, pk: str, handler: str = "catalogue@1") -> dict[str, Any]:
        """What is kept of a handler's progress with an aggregate; empty where nothing is."""
        return self._row(pk, f"{handler}#")

    def wait_until_parked(self, book: str, handler: str = "catalogue@1") -> dict[str, Any]:
        """The cursor of a handler once it is parked at a book: it has failed for a minute by then."""
        pk = self.pk(book)
        wait_until(lambda: self.cursor(pk, handler).get("failedSince"), seconds=30)
        self._add(pk, f"{handler}#", "failedSince", -61)
        return wait_until(
            lambda: (found := self.cursor(pk, handler)).get("parkedVersion") and found, seconds=30
        )

    def end_claim(self, pk: str, handler: str) -> None:
        """Let the time be up for which a turn was claimed."""
        self._add(pk, f"{handler}#", "claimUntil", -120)

    def age_build(self, handler: str, by: timedelta) -> None:
        """Let the generation that is being built be older than it is."""
        row = self._row("$handler", handler)
        built_at = datetime.fromisoformat(row["builtAt"]) - by
        self._dynamodb.update_item(
            TableName=self.sync_table,
            Key={"pk": {"S": "$handler"}, "sk": {"S": handler}},
            UpdateExpression="SET builtAt = :at",
            ExpressionAttributeValues={":at": {"S": built_at.isoformat(timespec="microseconds")}},
        )

    def _row(self, pk: str, sk: str) -> dict[str, Any]:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        found = self._dynamodb.get_item(TableName=self.sync_table, Key=key, ConsistentRead=True)
        return plain(found.get("Item", {}))

    def _add(self, pk: str, sk: str, column: str, number: int) -> None:
        self._dynamodb.update_item(
            TableName=self.sync_table,
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            UpdateExpression="ADD #column :number",
            ConditionExpression="attribute_exists(#column)",
            ExpressionAttributeNames={"#column": column},
            ExpressionAttributeValues={":number": {"N": str(number)}},
        )
