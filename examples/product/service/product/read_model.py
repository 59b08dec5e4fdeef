"""Keeps the SQL table in step with the products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from product.database import ProductRow
from runtime import DataSyncHandler
from runtime.sql import delete, engine_from_environment, upsert

if TYPE_CHECKING:
    from product.attributes import ProductAttributes
    from runtime import CommandModel

__all__ = ["ProductReadModel", "own_columns"]


class ProductReadModel(DataSyncHandler):
    """Writes each version of a product to PostgreSQL, in one statement."""

    def up(self, command: CommandModel[ProductAttributes]) -> None:
        """Bring the row to this version, unless it is at a later one.

        The same version again is written again, so that a re-sync fills a column that was
        added since.
        """
        with engine_from_environment().begin() as connection:
            upsert(connection, ProductRow, command, same_version=True, **own_columns(command))

    def down(self, command: CommandModel[ProductAttributes]) -> None:
        """Take the row of a product that is deleted for good away. A soft deletion is an `up`."""
        with engine_from_environment().begin() as connection:
            delete(connection, ProductRow, command)


def own_columns(command: CommandModel[ProductAttributes]) -> dict[str, Any]:
    """The values of the columns that only products have."""
    return command.attributes.model_dump() if command.attributes else {}
