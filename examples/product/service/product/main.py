"""The function handler of the service: `product.main.app`."""

from __future__ import annotations

from product.masters import master
from product.module import product
from product.numbers import sequences
from product.orders import order
from product.tenants import tenants
from runtime import CqrsApp

# Routes are named, not imported: only the function that serves HTTP loads them.
app = CqrsApp(
    modules=[product, order],
    features=[sequences, tenants, master],
    routes=[
        "product.routes:router",
        "product.order_routes:router",
        "product.order_routes:reads",
        "product.feature_routes:of_numbers",
        "product.feature_routes:of_tenants",
        "product.feature_routes:of_masters",
    ],
)
