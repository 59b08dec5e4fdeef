"""The function handler of the service: `product.main.app`."""

from __future__ import annotations

from product.module import product
from runtime import CqrsApp

app = CqrsApp(modules=[product], routes="product.routes:router")
