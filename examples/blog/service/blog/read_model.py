"""Keeps the SQL tables in step with what has happened.

An event may be shown again, and nothing is promised of the order between a post and its author. So each
callback leaves the same rows however often it is called, and the list of posts joins what has arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from blog.database import AuthorRow, PostRow, engine
from blog.domain import domain
from blog.posts import PostArchived, PostWritten, post
from blog.users import UserRegistered, user

if TYPE_CHECKING:
    from runtime import EventMeta

__all__ = ["posts_model"]

posts_model = domain.create_handler("posts-model", [post, user])


@posts_model.handle(user, UserRegistered)
def add_author(aggregate_id: str, event: UserRegistered, meta: EventMeta) -> None:
    """Show a user's name beside their posts."""
    with Session(engine()) as session, session.begin():
        session.merge(AuthorRow(tenant=meta.tenant, id=aggregate_id, name=event.name))


@posts_model.handle(post, PostWritten)
def add_post(aggregate_id: str, event: PostWritten, meta: EventMeta) -> None:
    """Show a post, once."""
    with Session(engine()) as session, session.begin():
        if session.get(PostRow, (meta.tenant, aggregate_id)) is None:
            session.add(
                PostRow(
                    tenant=meta.tenant,
                    id=aggregate_id,
                    user_id=event.user_id,
                    title=event.title,
                    content=event.content,
                    written_at=meta.timestamp,
                )
            )


@posts_model.handle(post, PostArchived)
def hide_post(aggregate_id: str, _event: PostArchived, meta: EventMeta) -> None:
    """Show a post no more."""
    this = (PostRow.tenant == meta.tenant, PostRow.id == aggregate_id)
    with engine().begin() as connection:
        connection.execute(update(PostRow).where(*this).values(is_archived=True))


@posts_model.handle_erased(post)
def remove_post(aggregate_id: str, meta: EventMeta) -> None:
    """Keep nothing of a post that was erased."""
    with engine().begin() as connection:
        connection.execute(delete(PostRow).where(PostRow.tenant == meta.tenant, PostRow.id == aggregate_id))
