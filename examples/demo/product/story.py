"""The story of a tenant, a product and two orders: numbered without a gap, dispatched as the settings say."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from examples.demo.chapters import Request, Story, tell_chapter
from examples.demo.product.traces import Traces
from examples.demo.watch import Sighting

if TYPE_CHECKING:
    from examples.demo.client import Answer, Client
    from examples.demo.place import Place
    from examples.demo.screen import Screen

__all__ = ["tell"]

_CREATED, _OK, _REFUSED = 201, 200, 422
_HAMMER = {"code": "hammer", "name": "Hammer", "attributes": {"category": "tools", "price": 12.5}}
_LINES = {"lines": [{"product": "hammer", "quantity": 2}]}


def tell(screen: Screen, client: Client, place: Place) -> Story:
    """Register a tenant, and let its first orders be placed and shipped.

    Raises:
        DemoError: The API or the operator function answered something else, or a trace did not show up.
    """
    with closing(Traces(place)) as traces:
        with screen.step(f"cqrs tenant create {client.tenant}") as step:
            made = traces.operate("createTenant", tenant=client.tenant, name="Acme Inc.")
            step.result = f"{made['state']}, with what `product.seeds` gives a new tenant"
        look = _Look(client, traces)
        unknown = {"code": "rake", "name": "Rake", "attributes": {"category": "garden"}}
        refuse = Request("Refuse", "POST", "/products", unknown, _REFUSED)
        tell_chapter(screen, client, refuse, lambda _: look.at_nothing("rake"), _detail)
        stock = Request("Stock", "POST", "/products", _HAMMER)
        order = Request("Order", "POST", "/orders", _LINES, _CREATED)
        said = {"code": "dispatch", "settingValue": {"warehouse": "TYO", "days": 1}}
        setting = Request("Set", "POST", "/api/master-setting/tenant", said, _CREATED)
        chapters = [
            tell_chapter(screen, client, stock, lambda _: look.at_product("hammer"), _accepted),
            tell_chapter(screen, client, order, look.at_order, _placed),
            tell_chapter(screen, client, setting, lambda _: look.at_setting("dispatch"), _set),
        ]
        code = chapters[1].answer.body["code"]
        ship = Request("Ship", "POST", f"/orders/{code}/ship", None, _OK)
        chapters.append(tell_chapter(screen, client, ship, look.at_order, _shipped))
        gaps = traces.operate("listSequenceGaps", tenant=client.tenant, type="order")["gaps"]
    return Story(
        chapters,
        ("row",),
        (
            "A tenant was registered and seeded, and served from then on.",
            f"1 order numbered in its own transaction: cqrs sequence gaps shows {len(gaps)}.",
            "1 shipment numbered for its warehouse and month.",
        ),
    )


def _detail(answer: Answer) -> str:
    return f"{_REFUSED}: {answer.body['errors'][0]['message']}"


def _accepted(answer: Answer) -> str:
    return f"202 Accepted: version {answer.body['version']}"


def _placed(answer: Answer) -> str:
    own = answer.body["attributes"]
    return f"201 Created: {answer.body['code']}, total {own['total']}, due {own['due']}"


def _set(answer: Answer) -> str:
    return f"201 Created: {answer.body['id']}"


def _shipped(answer: Answer) -> str:
    return f"200 OK: {answer.body['attributes']['shipmentNo']}"


class _Look:
    """Looks for what a request leaves behind."""

    def __init__(self, client: Client, traces: Traces) -> None:
        self._tenant = client.tenant
        self._traces = traces

    def at_nothing(self, code: str) -> list[Sighting]:
        return [Sighting("row", lambda: None if self._product(code) else "there is none")]

    def at_product(self, code: str) -> list[Sighting]:
        return [
            Sighting("row", lambda: self._product(code)),
            Sighting("SQL", lambda: self._sql(code)),
        ]

    def at_order(self, answer: Answer) -> list[Sighting]:
        code, shipment = answer.body["code"], answer.body["attributes"]["shipmentNo"]
        sightings = [Sighting("row", lambda: self._order(code, answer.body["version"]))]
        if shipment is None:
            bucket = code.split("-")[1]
            return [
                *sightings,
                Sighting("counter", lambda: self._counter(f"order#FY{bucket}")),
                Sighting("number", lambda: self._number(f"order#FY{bucket}", int(code.split("-")[2]))),
            ]
        warehouse, month, _ = shipment.split("-")
        return [*sightings, Sighting("counter", lambda: self._counter(f"shipment#{warehouse}#20{month}"))]

    def at_setting(self, code: str) -> list[Sighting]:
        return [Sighting("row", lambda: self._setting(code))]

    def _product(self, code: str) -> str | None:
        row = self._traces.row("product-data", f"PRODUCT#{self._tenant}", code)
        return f"{row['pk']}  {code}  version {row['version']}: {row['name']!r}" if row else None

    def _sql(self, code: str) -> str | None:
        row = self._traces.sql_row(f"PRODUCT#{self._tenant}#{code}")
        return f"{row['id']}  {row['category']}, {row['price']}" if row else None

    def _order(self, code: str, version: int) -> str | None:
        row = self._traces.row("order-data", f"ORDER#{self._tenant}", code)
        if row is None or row["version"] < version:
            return None
        return f"{row['pk']}  {code}  version {row['version']}, from {row['attributes']['warehouse']}"

    def _counter(self, sk: str) -> str | None:
        row: dict[str, Any] | None = self._traces.row("sequences", f"SEQ#{self._tenant}", sk)
        return f"{row['pk']}  {sk}  {row['seq']}" if row else None

    def _number(self, counter: str, no: int) -> str | None:
        row = self._traces.row("sequences", f"SEQ_ISSUE#{self._tenant}", f"{counter}#{no:016}")
        return f"{row['pk']}  {no}  {row['status']} for {row['id']}" if row else None

    def _setting(self, code: str) -> str | None:
        row = self._traces.row("master-data", f"MASTER#{self._tenant}", f"MASTER_SETTING#{code}")
        return f"{row['pk']}  {row['sk']}  {row['attributes']['warehouse']}" if row else None
