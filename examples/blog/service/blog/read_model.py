"""Keeps the SQL tables in step with what has happened.

What a callback writes is committed together with the handler's cursor, so each event changes the tables
exactly once. Nothing is promised of the order between a post and its author: the list of posts joins what
has arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from blog.database import AuthorRow, PostRow, cursors
from blog.domain import domain
from blog.posts import PostArchived, PostWritten, post
from blog.users import UserRegistered, user

if TYPE_CHECKING:
    from runtime import EventMeta

__all__ = ["posts_model"]

posts_model = domain.create_handler("posts-model", [post, user], cursors=cursors)


@posts_model.handle(user, UserRegistered)
def add_author(aggregate_id: str, event: UserRegistered, meta: EventMeta) -> None:
    """Show a user's name beside their posts."""
    row = insert(AuthorRow).values(tenant=meta.tenant, id=aggregate_id, name=event.name)
    cursors.connection().execute(row)


@posts_model.handle(post, PostWritten)
def add_post(aggregate_id: str, event: PostWritten, meta: EventMeta) -> None:
    """Show a post."""
    row = insert(PostRow).values(
        tenant=meta.tenant,
        id=aggregate_id,
        user_id=event.user_id,
        title=event.title,
        content=event.content,
        written_at=meta.timestamp,
    )
    cursors.connection().execute(row)


@posts_model.handle(post, PostArchived)
def hide_post(aggregate_id: str, _event: PostArchived, meta: EventMeta) -> None:
    """Show a post no more."""
    _remove(aggregate_id, meta.tenant)


@posts_model.handle_erased(post)
def remove_post(aggregate_id: str, meta: EventMeta) -> None:
    """Keep nothing of a post that was erased."""
    _remove(aggregate_id, meta.tenant)


def _remove(post_id: str, tenant: str) -> None:
    row = delete(PostRow).where(PostRow.tenant == tenant, PostRow.id == post_id)
    cursors.connection().execute(row)
