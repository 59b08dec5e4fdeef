"""A provider on the emulator that tells what its calls cost: how many there were, and their units.

Write units are the emulator's, which applies DynamoDB's rules. It leaves read units out of account, so those
are DynamoDB's rule on what came back: a unit for each started 4 KB, half of one where not consistent.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.store.codec import decoded
from runtime.store.item_size import item_size
from tests.support.event_tables import MODULE, event_settings
from tests.support.service import TestResources

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

__all__ = ["Cost", "Metered"]

_READ_UNIT = 4096


@dataclass(frozen=True)
class Cost:
    """What some calls cost.

    Attributes:
        calls: Names of the operations, in order.
        written: Write units.
        read: Read units.
    """

    calls: list[str]
    written: float
    read: float


class Metered:
    """A provider, and what it has cost since `clear`.

    Args:
        emulator: Where the tables are.
        tables: Their names.
        settings: Of the function; ``indexes`` as in `event_settings`.
    """

    def __init__(self, emulator: Emulator, tables: tuple[str, str], **settings: Any) -> None:
        resources = _Resources(emulator, event_settings(emulator, tables, **settings), self)
        self.wire = resources.wire
        self.provider = DynamoProvider(MODULE, resources)
        self._lock = threading.Lock()
        self._local = threading.local()
        self.clear()

    def clear(self) -> None:
        self.wire.clear()
        self._written = self._read = 0.0

    @property
    def cost(self) -> Cost:
        return Cost([call.operation for call in self.wire.calls], self._written, self._read)

    def listen(self, client: Any) -> Any:
        client.meta.events.register("before-parameter-build.dynamodb.*", self._ask)
        client.meta.events.register("after-call.dynamodb.*", self._note)
        return client

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"
        self._local.is_consistent = params.get("ConsistentRead", False)

    def _note(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        with self._lock:
            if model.name in {"Query", "Scan", "GetItem"}:
                items = (
                    parsed.get("Items") or [parsed["Item"]] if "Item" in parsed else parsed.get("Items", [])
                )
                size = sum(item_size(decoded(item)) for item in items)
                units = max(1, -(-size // _READ_UNIT))
                self._read += units if self._local.is_consistent else units / 2
                return
            used = parsed.get("ConsumedCapacity", [])
            self._written += sum(one["CapacityUnits"] for one in (used if isinstance(used, list) else [used]))


class _Resources(TestResources):
    def __init__(self, emulator: Emulator, settings: Any, meter: Metered) -> None:
        super().__init__(emulator, settings)
        self._meter = meter

    def client(self, service: str, *, patient: bool = True) -> Any:
        client = super().client(service, patient=patient)
        return self._meter.listen(client) if service == "dynamodb" else client
