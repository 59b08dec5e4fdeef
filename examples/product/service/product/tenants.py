"""The tenants of the service: none is served that is not registered and active."""

from __future__ import annotations

from runtime import TenantModule

__all__ = ["tenants"]

# What a new tenant begins with is named, not imported: only whoever makes a tenant loads it.
tenants = TenantModule(enforce=True, on_create="product.seeds:seed")
