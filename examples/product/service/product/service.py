"""What can be done with products, apart from HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from product.module import product

if TYPE_CHECKING:
    from product.attributes import ProductAttributes
    from runtime import DataModel

__all__ = ["Mode", "history", "products"]

Mode = Literal["async", "sync"]
"""Whether a command is only accepted, or applied before the call returns."""

#: The products of the caller's tenant, by code.
products = product.service(type="PRODUCT", name="ProductService")


def history(code: str) -> list[DataModel[ProductAttributes]]:
    """The states of a product that were replaced, oldest first. Empty for an unknown one."""
    return product.history.list_versions(products.key(code))
