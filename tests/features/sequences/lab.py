"""A service that counts: its sequences, a module whose commands take numbers, and their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runtime import SequenceModule
from runtime.store.codec import row_of
from runtime.store.port import Put
from tests.support.service import PK

if TYPE_CHECKING:
    from runtime import Series
    from tests.support.service import Service

__all__ = ["Lab", "MakeLab", "invoice"]


def invoice(number: Any) -> dict[str, Any]:
    """A new item whose key is the number."""
    return {
        "pk": PK,
        "sk": number.formatted_no,
        "code": number.formatted_no,
        "name": "invoice",
        "type": "TODO",
        "version": 0,
        "attributes": {"title": f"no {number.no}"},
    }


class MakeLab(Protocol):
    """Makes a lab with series; all that one test makes have one table."""

    def __call__(self, *series: Any, master: bool = False, **options: Any) -> Lab: ...


class Lab:
    def __init__(self, service: Service, sequences: SequenceModule, table: str) -> None:
        self.service, self.sequences, self.table = service, sequences, table
        sequences.use(service.resources)

    def again(self, *series: Series, **options: Any) -> Lab:
        """Another function of the same service."""
        settings = self.service.resources.settings
        service = self.service.again(
            sequences_override=self.table, master_data_override=settings.master_data_override, **options
        )
        return Lab(service, SequenceModule(series or self.sequences.series.values()), self.table)

    def next(self, type_code: str, **options: Any) -> Any:
        return self.sequences.generate_sequence_item(
            type_code, **{"invoke_context": self.service.user()} | options
        )

    def publish(self, type_code: str, make: Any = invoice, *, codes: Any = (), **options: Any) -> Any:
        return self.service.module.commands.publish_numbered(
            self.sequences.slot(type_code, codes=codes),
            make,
            **{"invoke_context": self.service.user()} | options,
        )

    def put(self, **columns: Any) -> None:
        self.service.quiet.write(Put(table=self.table, row=row_of(columns)))

    def rows(self, prefix: str = "SEQ#") -> dict[str, dict[str, Any]]:
        """Rows of partitions that begin so, by sort key."""
        return {row["sk"]: row for row in self.service.rows(self.table) if row["pk"].startswith(prefix)}

    def issued(self) -> dict[str, str]:
        """Which command has which number."""
        return {sk: row["commandSk"] for sk, row in sorted(self.rows("SEQ_ISSUE#").items())}
