"""What happens to posts, and what that makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime import Aggregate, create_aggregate, event_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import EventMeta

__all__ = ["Post", "PostArchived", "PostEvent", "PostWritten", "post"]


@event_type("written")
@dataclass(frozen=True)
class PostWritten:
    """A user has written a post."""

    user_id: str
    title: str
    content: str


@event_type("archived")
@dataclass(frozen=True)
class PostArchived:
    """A post is not shown any more."""


PostEvent = PostWritten | PostArchived


@dataclass(frozen=True)
class Post:
    """What commands have to know of a post."""

    user_id: str = ""
    title: str = ""
    archived: bool = False


def _fold(event: PostEvent, _state: Post, _meta: EventMeta) -> Mapping[str, object]:
    """What changes: the rest of the state stays."""
    if isinstance(event, PostWritten):
        return {"user_id": event.user_id, "title": event.title}
    return {"archived": True}


post: Aggregate[PostEvent, Post] = create_aggregate(
    stream="posts", events=[PostWritten, PostArchived], create=Post, fold=_fold
)
