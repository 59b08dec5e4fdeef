"""What happens because something else has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blog.commands import WritePost, post_commands
from blog.domain import domain
from blog.users import UserRegistered, user

if TYPE_CHECKING:
    from runtime import EventMeta

__all__ = ["welcome"]

welcome = domain.create_handler("welcome", [user], reaction=True)


@welcome.handle(user, UserRegistered)
def write_first_post(aggregate_id: str, event: UserRegistered, meta: EventMeta) -> None:
    """Give every user a first post. The command's id is made of the event, so it is written once."""
    post_commands.execute(
        f"hello-{aggregate_id}",
        WritePost(user_id=aggregate_id, title="Hello", content=f"{event.name} has joined."),
        command_id=meta.command_id_for(welcome.name),
    )
