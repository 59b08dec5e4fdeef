"""The module: its name, its attributes, its handlers."""

from __future__ import annotations

from product.attributes import ProductAttributes
from runtime import CommandModule

__all__ = ["product"]

# The handler is named, not imported: only the functions that run it load SQLAlchemy.
product = CommandModule(
    "product", attributes=ProductAttributes, data_sync_handlers=["product.read_model:ProductReadModel"]
)
