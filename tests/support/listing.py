"""What a service lists, on all of its pages: other tests have made things in the same emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["listed"]


def listed(client: Any, operation: str, key: str, **of: Any) -> Iterator[Any]:
    """What the pages of an operation have under a key.

    Args:
        client: A client of boto3's.
        operation: Name of its method, such as ``list_tables``.
        key: Where an answer has what it lists, such as ``TableNames``.
        of: What the operation is given.
    """
    for page in client.get_paginator(operation).paginate(**of):
        yield from page.get(key, ())
