"""The module: its name, its domain, its handlers."""

from __future__ import annotations

from blog.domain import domain
from runtime import EventModule

__all__ = ["blog"]

# The handlers are named, not imported: only the functions that run them load SQLAlchemy for them.
blog = EventModule("blog", domain, handlers=["blog.read_model:posts_model", "blog.reactions:welcome"])
