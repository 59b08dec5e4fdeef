"""Counters that many commands share, as `CommandService.publish_pack` speaks to them.

Commands know nothing of masters: whatever has rows of the store that go along with commands can be
a tally. Its rows are read in the same batch as what the commands build on, and written in the
transactions that write the commands. So what it has counted is counted exactly where its command
is committed, and costs no call more.

One transaction has each row once. So the writes are asked for by transaction, with the commands
that are in it, in their order, and told when they are done. Where a condition of them fails, others
were at the counter: the commands of that transaction are decided anew, on rows that are read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.model.keys import DetailKey
    from runtime.store.port import Write
    from runtime.store.values import Place, Row

__all__ = ["Tally"]


class Tally(Protocol):
    """Rows that are read with what commands build on, and written with the commands."""

    @property
    def places(self) -> Sequence[Place]:
        """Rows that it needs, those that are only read among them."""
        ...

    def begin(self, rows: Mapping[Place, Row]) -> None:
        """Go by these rows, as far as they exist. Called before each attempt, and before any function.

        Raises:
            CqrsError: They cannot be counted on. Nothing is written.
        """
        ...

    def dropped(self, key: DetailKey) -> None:
        """Nothing will be written for this item: take back what was counted for it last."""
        ...

    def writes(self, keys: Sequence[DetailKey]) -> Sequence[Write]:
        """What goes into the transaction with the commands of these items. It has no effect.

        Each holds only while the row is as it was read, or as `written` has left it.
        """
        ...

    def written(self, keys: Sequence[DetailKey]) -> None:
        """The transaction with the commands of these items is done."""
        ...
