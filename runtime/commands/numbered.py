"""What a publish takes a number from, as `CommandService.publish_numbered` speaks to it.

Commands know nothing of sequences: whatever has a counter in rows of the store can be a slot. The
counter is read first; what the slot makes of it, and the number's own rows, are written in the
very transaction that writes the command. So a number is used up exactly where its command is
committed.

One call goes like this. The publisher asks the slot for its `Numbering`; reads its ``places``, and
the row of its ``record``, in one batch; and returns the command of the earlier call where the
record tells of one. Otherwise it asks for the `next` number, lets the caller make the command, and
writes all of it. Where a condition of the slot's writes fails, others were at the counter: it waits
a little, and reads again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.store.once import Once
    from runtime.store.port import Write
    from runtime.store.values import Place, Row

__all__ = ["NumberSlot", "Numbered", "Numbering"]

NumberT_co = TypeVar("NumberT_co", covariant=True)


class NumberSlot(Protocol[NumberT_co]):
    """A counter that commands take numbers from, such as ``sequences.slot("invoice")``."""

    def numbering(self, invoke_context: InvokeContext, publish_id: str | None) -> Numbering[NumberT_co]:
        """What one call of ``publish_numbered`` needs of the slot. Called once for each.

        It does not read the counter: that comes with the publisher's own read.

        The clock is read here, so that all attempts of the call are of one date.

        Args:
            invoke_context: Who publishes: the counter is one of their tenant.
            publish_id: Id under which a repeated call is the same one; None without.

        Raises:
            CqrsError: Nobody in the tenant may have a number of it, or the id cannot be one.
        """
        ...


class Numbering(Protocol[NumberT_co]):
    """One call's view of a slot."""

    @property
    def places(self) -> Sequence[Place]:
        """Rows that `next` needs, the counter's among them; at most 10."""
        ...

    @property
    def record(self) -> Once | None:
        """Where the publish id is recorded; None without one.

        It must not depend on the date: a call that is repeated next year is the same one. The
        publisher writes it, and reads it. Its columns ``commandPk``, ``commandSk`` and ``publishId``
        are the command's; `told_by` need not be given.
        """
        ...

    def next(self, rows: Mapping[Place, Row]) -> Numbered[NumberT_co]:
        """The number that is next, given those of `places` that exist. Called for each attempt.

        Raises:
            CqrsError: There is none, as the series is exhausted, for example. Nothing is written.
        """
        ...


class Numbered(Protocol[NumberT_co]):
    """A number that was not written yet."""

    @property
    def number(self) -> NumberT_co:
        """What the function gets that makes the command."""
        ...

    @property
    def outcome(self) -> Row:
        """Columns of the number in the record of the publish id."""
        ...

    def writes(self, command: DetailKey) -> Sequence[Write]:
        """What uses the number up: at most 10 writes, beside the record's.

        The counter's holds only while the row is as it was read. Each has a label of its own, which is
        none of the publisher's: one with the kind of the counter in it, such as ``sequence counter``.

        Args:
            command: Key of the command that has the number, with its version.

        Raises:
            CqrsError: The command may not have it, as it is another tenant's, for example.
        """
        ...

    def check_again(self, failed: Mapping[str, Row | None]) -> None:
        """Called where conditions of `writes` failed, before the next attempt.

        Args:
            failed: The rows that stand there, by the labels of the writes.

        Raises:
            CqrsError: Another attempt would fail as well, as the number was given before. Nothing was
                written.
        """
        ...
