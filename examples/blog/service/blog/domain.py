"""The aggregates of the blog, on the tables of the module `blog`."""

from __future__ import annotations

from blog.posts import post
from blog.users import user
from runtime import DynamoProvider, create_domain

__all__ = ["domain"]

domain = create_domain(DynamoProvider("blog"), user, post)
