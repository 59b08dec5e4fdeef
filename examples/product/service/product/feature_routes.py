"""The routes of numbers, tenants and masters."""

from __future__ import annotations

from product.masters import master
from product.numbers import sequences
from product.tenants import tenants
from runtime import master_routes, sequence_routes, tenant_routes

__all__ = ["of_masters", "of_numbers", "of_tenants"]

of_numbers = sequence_routes(sequences)
of_tenants = tenant_routes(tenants)
of_masters = master_routes(master)
