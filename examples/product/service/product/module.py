"""The module of products: its name, its attributes, its rule, its handlers."""

from __future__ import annotations

from product.attributes import ProductAttributes
from product.masters import has_its_category
from runtime import CommandModule

__all__ = ["product"]

# The handler is named, not imported: only the functions that run it load SQLAlchemy.
product = CommandModule(
    "product",
    attributes=ProductAttributes,
    decide=[has_its_category],
    data_sync_handlers=["product.read_model:ProductReadModel"],
)
