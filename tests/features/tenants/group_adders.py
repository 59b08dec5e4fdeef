"""Clients that add groups to the same tenant: threads, here or in another process.

``tests.features.tenants.group_adders`` is a part for `elsewhere`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from runtime import Resources, Settings, TenantModule
from tests.support.elsewhere import obey

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_groups"]


def add_groups(tenants: TenantModule, groups: Sequence[str]) -> list[int]:
    """Add each group to the clerks of acme, all at the same time; the versions that were made of it."""
    with ThreadPoolExecutor(len(groups)) as threads:
        made = threads.map(lambda group: tenants.add_tenant_group("acme", "clerk", group), groups)
        return [tenant.version for tenant in made]


def _add_groups(settings: dict[str, Any], groups: list[str]) -> list[int]:
    tenants = TenantModule()
    tenants.use(Resources(Settings(**settings)))
    tenants.get_tenant("acme")  # threads cannot make a client at the same time
    return add_groups(tenants, groups)


if __name__ == "__main__":
    obey(_add_groups)
