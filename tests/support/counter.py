"""A slot as plain as can be: one counter row, one row for each number, and the records of ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError
from runtime.model.keys import get_tenant_code
from runtime.store.once import Once, digest_of
from runtime.store.port import Put, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.store.port import Store, Write
    from runtime.store.values import Row

__all__ = ["Counter", "Given"]


@dataclass(frozen=True)
class Counter:
    """Counts 1, 2, 3, … in a table.

    Args:
        table: Its name.
        maximum: The last number.
        records: Whether publish ids are recorded.
    """

    table: str
    maximum: int = 10**9
    records: bool = True

    @property
    def place(self) -> Place:
        return Place(self.table, "SEQ#acme", "invoice")

    def numbering(self, invoke_context: InvokeContext, publish_id: str | None) -> Numbering:
        assert invoke_context.claims["sub"]
        if publish_id is None or not self.records:
            return Numbering(self, None)
        place = Place(self.table, "SEQ_KEY#acme", f"invoice#{digest_of(publish_id, 'publish_id')}")
        return Numbering(self, Once(place=place, label="number key"))

    def seen(self, store: Store) -> int:
        """The last number that was used up."""
        return int((store.get(self.place) or {"seq": 0})["seq"])

    def issued(self, store: Store) -> dict[int, str]:
        """Which command has which number."""
        numbers = range(1, self.seen(store) + 1)
        rows = store.batch_get(Place(self.table, "SEQ_ISSUE#acme", f"{no:04}") for no in numbers)
        return {int(place.sk): row["command"] for place, row in sorted(rows.items())}


@dataclass(frozen=True)
class Numbering:
    counter: Counter
    record: Once | None

    @property
    def places(self) -> list[Place]:
        return [self.counter.place]

    def next(self, rows: Mapping[Place, Row]) -> Numbered:
        row = rows.get(self.counter.place)
        number = (row["seq"] if row else 0) + 1
        if number > self.counter.maximum:
            raise InvalidInputError([FieldProblem("series", "is exhausted")])
        return Numbered(self.counter, number, {"no": number})


@dataclass(frozen=True)
class Numbered:
    counter: Counter
    number: int
    outcome: Row = field(default_factory=dict)

    def writes(self, command: DetailKey) -> list[Write]:
        if get_tenant_code(command.pk) != "acme":
            msg = "the number is another tenant's"
            raise ForbiddenError(msg)
        before, place = self.number - 1, self.counter.place
        is_unused = Attr("seq").eq(before) if before else Attr("pk").not_exists()
        issued = {"pk": "SEQ_ISSUE#acme", "sk": f"{self.number:04}", "command": command.sk}
        return [
            Set(place=place, columns={"seq": self.number}, condition=is_unused, label="number"),
            Put(table=place.table, row=issued, condition=Attr("pk").not_exists(), label="number issue"),
        ]

    def check_again(self, failed: Mapping[str, Row | None]) -> None:
        """Whatever failed, the next number is another one."""


@dataclass(frozen=True)
class Given:
    """A number that is nobody's: nothing is read for it, and nothing written."""

    number: int
    record: Once | None = None
    places: tuple[Place, ...] = ()
    outcome: Row = field(default_factory=dict)

    def numbering(self, _invoke_context: InvokeContext, _publish_id: str | None) -> Given:
        return self

    def next(self, _rows: Mapping[Place, Row]) -> Given:
        return self

    def writes(self, _command: DetailKey) -> list[Write]:
        return []

    def check_again(self, _failed: Mapping[str, Row | None]) -> None:
        """It writes nothing that could fail."""
