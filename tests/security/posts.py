"""The module of events that is attacked beside the modules of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from runtime.entry.http.event_routes import event_routes
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commands.commands import create_commands
from runtime.event_store.domain import create_domain
from runtime.event_store.event_module import EventModule
from runtime.event_store.events.event import Event
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.identity.context import use_invoke_context

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime import InvokeContext
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.events.recorded import EventMeta

__all__ = ["MODULE", "STREAM", "Posts"]

MODULE = "post"
STREAM = "posts"


class Written(Event, type="written"):
    text: str


class Cleared(Event, type="cleared"):
    pass


class Post(BaseModel):
    text: str = ""
    author: str | None = None


class WritePost(BaseModel):
    text: str = Field(min_length=1)


class ClearPost(BaseModel):
    pass


def fold(event: Written | Cleared, _post: Post, meta: EventMeta) -> Post:
    return Post(text=event.text if isinstance(event, Written) else "", author=meta.user_id)


post: Aggregate[Written | Cleared, Post] = create_aggregate(
    stream=STREAM, events=[Written, Cleared], create=Post, fold=fold
)


class Posts:
    """The module, and its routes."""

    def __init__(self) -> None:
        domain = create_domain(DynamoProvider(MODULE), post, default_tenant="nobody")
        self.module = EventModule(MODULE, domain)
        self._commands = create_commands(domain[post])

        @self._commands.on(WritePost)
        def write(command: WritePost, _current: Loaded[Post]) -> Written:
            return Written(text=command.text)

        @self._commands.on(ClearPost)
        def clear(_command: ClearPost, current: Loaded[Post]) -> Cleared | None:
            return Cleared() if current.state.text else None

    def routes(self) -> Router:
        """Every route that there can be."""
        return event_routes(self._commands, prefix="/posts", events=True)

    def plant(self, owner: InvokeContext, tenant: str, aggregate_id: str, marker: str) -> None:
        """An aggregate with the marker in every event and in its state."""
        with use_invoke_context(owner):
            for version in range(3):
                more: dict[str, Any] = {"command_id": f"owner-{marker}:key-1"} if not version else {}
                command = WritePost(text=f"{marker} {version}")
                self._commands.execute(aggregate_id, command, tenant=tenant, **more)
