"""Pages of several partitions as one page, by sort key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.model.rows import moment_in
from runtime.queries.pending import Merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.queries.paging import Order

__all__ = ["joined"]


def joined(pages: Sequence[tuple[Merged, str | None]], limit: int, order: Order) -> tuple[Merged, str | None]:
    """The page of all partitions together, and the sort key to go on after; None on the last page.

    A partition that has more may have it right behind its own last sort key: the page goes no further than
    the first of those.

    Args:
        pages: Of each partition its rows and the sort key that its page ends with, None where it has no more.
        limit: Rows of a page.
        order: ``asc`` or ``desc``.
    """
    descending = order == "desc"
    created = sorted(
        (row for merged, _ in pages for row in merged.created),
        key=lambda row: moment_in(row, "createdAt"),
        reverse=True,
    )
    rows = sorted(
        (row for merged, _ in pages for row in merged.rows), key=lambda row: row["sk"], reverse=descending
    )
    ends = [last_sk for _, last_sk in pages if last_sk is not None]
    last_sk = (max(ends) if descending else min(ends)) if ends else None
    if last_sk is not None:
        rows = [row for row in rows if (row["sk"] >= last_sk if descending else row["sk"] <= last_sk)]
    if len(rows) > limit:
        rows = rows[:limit]
        last_sk = rows[-1]["sk"]
    return Merged(created, rows), last_sk
