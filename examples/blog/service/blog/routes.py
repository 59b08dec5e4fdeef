"""Users and posts over HTTP: their commands and states, and the list of posts."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from blog.commands import post_commands, user_commands
from blog.posts import post
from blog.posts_list import PostList, list_posts
from blog.read_model import posts_model
from runtime import ForbiddenError, acting_tenant, check_min_version, event_routes

__all__ = ["posts", "router", "users"]

router = Router()
users = event_routes(user_commands, prefix="/users")
posts = event_routes(post_commands, prefix="/posts", events=True)


@router.get("/posts")
def find(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    start_after: Annotated[str | None, Query(alias="startAfter")] = None,
) -> PostList:
    """One page of posts, by id, each with its author's name. ``Min-Version`` makes it show one's own."""
    tenant = acting_tenant(write=False)
    if tenant is None:
        msg = "the token names no tenant"
        raise ForbiddenError(msg)
    check_min_version(posts_model, post, wait=1)
    return list_posts(tenant, limit=limit, start_after=start_after)
