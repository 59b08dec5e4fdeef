"""The list of posts, which the read model answers."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations

from sqlalchemy import and_, select

from blog.database import AuthorRow, PostRow, engine
from runtime import CqrsModel

__all__ = ["ListedPost", "PostList", "list_posts"]


class ListedPost(CqrsModel):
    """A post in the list. ``author`` is None where the name of its user has not arrived yet."""

    id: str
    title: str
    author: str | None
    written_at: datetime


class PostList(CqrsModel):
    """A page of posts. ``last`` of it is ``startAfter`` of the next; None on the last page."""

    items: list[ListedPost]
    last: str | None


def list_posts(tenant: str, *, limit: int, start_after: str | None) -> PostList:
    """One page of a tenant's posts, by id."""
    author = and_(AuthorRow.tenant == PostRow.tenant, AuthorRow.id == PostRow.user_id)
    query = (
        select(PostRow.id, PostRow.title, AuthorRow.name.label("author"), PostRow.written_at)
        .join(AuthorRow, author, isouter=True)
        .where(PostRow.tenant == tenant, PostRow.id > (start_after or ""))
        .order_by(PostRow.id)
        .limit(limit + 1)
    )
    with engine().connect() as connection:
        rows = connection.execute(query).mappings().all()
    items = [ListedPost.model_validate(dict(row)) for row in rows[:limit]]
    return PostList(items=items, last=items[-1].id if len(rows) > limit else None)
