"""What our services write into the tables that the other framework shares, in the wire format.

The recorded answers in ``ours-to-them.json`` are to these rows: they are made anew here, and compared.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from runtime import RotateBy, SequenceModule, Series
from runtime.store.codec import encoded
from tests.features.masters.support import THEME, WHOLE, made
from tests.features.tenants.support import KINDS, ROOT, Registry, user
from tests.support.service import Services

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.features.masters.master_module import MasterModule
    from runtime.store.port import Store
    from tests.support.service import Service

__all__ = ["AT", "ME", "SERIES", "TOKYO", "everything", "masters", "sequence_module", "sequences", "tenants"]

Rows = dict[str, list[dict[str, Any]]]

TOKYO: Final[dict[str, Any]] = {"timezone": "Asia/Tokyo"}
#: Series by the keys of their counters at `AT`; those that take a tenant's format are left out.
SERIES: Final = {
    "plain#none": Series("plain", **TOKYO),
    "daily#20261121": Series("daily", rotate_by=RotateBy.DAILY, **TOKYO),
    "monthly#A#202611": Series("monthly", rotate_by=RotateBy.MONTHLY, codes=1, **TOKYO),
    "yearly#A#B#2026": Series("yearly", rotate_by=RotateBy.YEARLY, codes=2, **TOKYO),
    "fiscal#2026": Series("fiscal", rotate_by=RotateBy.FISCAL_YEARLY, mbc_fiscal_bucket=True, **TOKYO),
}
#: 21 November in Tokyo, and the 20th in UTC.
AT: Final = datetime(2026, 11, 20, 16, tzinfo=UTC)
FIELDS: Final = [
    {"physicalName": "hex", "name": "Hex", "dataType": "string", "length": "6", "isRequired": True}
]
#: The user of their golden rows, who may do everything.
ME: Final = user("mbc", ROOT, name="u1")


def everything() -> Rows:
    """The rows of all stories, by table, in the order of their keys."""
    return tenants() | masters() | sequences()


def tenants() -> Rows:
    """Tenants created, grouped, customised, renamed and deleted."""
    registry = Registry()
    told = registry.tenants
    told.create_tenant("mbc", "MBC", attributes={"plan": "pro"}, invoke_context=ME)
    for group in ("tokyo", "tokyo#sales"):
        told.add_tenant_group("mbc", "clerk", group, invoke_context=ME)
    told.create_tenant("custom", "Custom", invoke_context=ME)
    told.add_tenant_group("custom", "clerk", "a#b", invoke_context=ME)
    told.add_tenant_group("custom", "clerk", "b", invoke_context=ME)
    told.customize_setting_groups("custom", "clerk", ["b", "a#b"], invoke_context=ME)
    told.create_common_tenant("Common", invoke_context=ME)
    told.create_tenant("gone", "Gone", attributes={"plan": "pro"}, invoke_context=ME)
    told.delete_tenant("gone", invoke_context=ME)
    told.create_tenant("named", "Named", attributes={"plan": "pro"}, invoke_context=ME)
    told.update_tenant("named", name="Renamed", attributes={"colour": "red"}, invoke_context=ME)
    told.create_tenant_group("east", "mbc", "MBC East", invoke_context=ME)
    return _rows(registry.store, f"{registry.prefix}-", (f"tenant-{kind}" for kind in KINDS))


def masters() -> Rows:
    """Settings on each level, rows of code tables, a schema and a format of numbers."""
    master, memory = made()
    with memory:
        _tell_settings(master)
        _tell_data(master)
        return _rows(memory.store, "local-test-", (f"master-{kind}" for kind in KINDS))


def _tell_settings(master: MasterModule) -> None:
    told = master.settings
    told.create_common_tenant_setting(THEME, {"rows": 1, "colour": "a", "pageTitle": "p"}, invoke_context=ME)
    told.create_tenant_setting(THEME, {"rows": 2, "colour": "b"}, invoke_context=ME)
    for group, rows in (("tokyo", 3), ("tokyo#sales", 4)):
        told.create_group_setting(THEME, {"rows": rows}, group_id=group, invoke_context=ME)
    told.create_user_setting(THEME, {"rows": 5}, user_id="u2", invoke_context=ME)
    told.create_user_setting(THEME, {"rows": 6}, user_id="u3", invoke_context=ME)
    told.delete_setting(("MASTER#mbc", "MASTER_SETTING#USER#u3#theme"), invoke_context=ME)
    told.create_tenant_setting(WHOLE, {"rows": 7, "colour": "c"}, name="Whole", invoke_context=ME)
    key = ("MASTER#mbc", "MASTER_SETTING#whole")
    told.update_setting(key, name="Changed", value={"rows": 8}, invoke_context=ME)
    told.delete_setting(key, invoke_context=ME)
    told.create_tenant_setting(WHOLE, {"rows": 9}, name="Back", invoke_context=ME)


def _tell_data(master: MasterModule) -> None:
    told = master.data
    told.create("colour", "red", "Red", seq=1, attributes={"hex": "f00"}, invoke_context=ME)
    told.update("colour", "red", {"seq": 2, "attributes": {"dark": True}}, invoke_context=ME)
    told.create("colour", "blue", "Blue", attributes={"hex": "00f"}, invoke_context=ME)
    told.delete("colour", "blue", invoke_context=ME)
    told.create("colour", "blue", "Blue again", attributes={"hex": "00e"}, invoke_context=ME)
    told.create("colour", "green", "Green", attributes={"hex": "0f0"}, invoke_context=ME)
    told.delete("colour", "green", invoke_context=ME)
    bulk = [{"settingCode": "size", "code": code, "name": code.upper()} for code in ("s", "m", "l")]
    told.upsert_bulk(bulk, invoke_context=ME)
    master.settings.create_tenant_setting(
        "shape", {"description": "d", "fields": FIELDS}, name="Shape", invoke_context=ME
    )
    told.create("shape", "box", "Box", attributes={"hex": "abc"}, invoke_context=ME)
    said = {"format": "INV-%%code1%%-%%fiscal_year%%-%%no#:0>6%%", "startMonth": 4}
    told.formats.upsert("invoice", said, name="Invoices", invoke_context=ME)


def sequence_module(service: Service) -> SequenceModule:
    """The series, in a service that has their table."""
    module = SequenceModule(SERIES.values(), settings_from_master=False)
    module.use(service.resources)
    return module


def sequences() -> Rows:
    """Each counter at three."""
    services = Services()
    table = services.table()
    service = services(sequences_override=table)
    module = sequence_module(service)
    for sk in SERIES:
        type_code, *codes, _ = sk.split("#")
        for _ in range(3):
            module.generate_sequence_item(type_code, codes=codes, date=AT, invoke_context=ME)
    return {"local-t-sequences": _sorted(service.quiet, table)}


def _rows(store: Store, prefix: str, names: Iterable[str]) -> Rows:
    return {f"local-t-{name}": _sorted(store, prefix + name) for name in names}


def _sorted(store: Store, table: str) -> list[dict[str, Any]]:
    rows = sorted(store.scan(table, limit=1000).rows, key=lambda row: (row["pk"], row["sk"]))
    return [encoded(row) for row in rows]
