"""A module that keeps events, on a store in memory, and the operator function that works for it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr
from pydantic import BaseModel

from runtime import Settings, clock
from runtime.contract import Env
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from runtime.event_store.address import Key
from runtime.event_store.aggregates.aggregate import Aggregate, Persist, create_aggregate
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.commits.commit_row import place_key
from runtime.event_store.domain import create_domain
from runtime.event_store.event_module import EventModule
from runtime.event_store.events.event import Event
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.store.memory import MemoryStore
from runtime.store.port import Put, Set
from runtime.store.values import Place
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler
    from runtime.module import CommandModule

__all__ = ["ERROR", "TEXT", "Blog", "Post", "PostCreated", "TextChanged", "post_with"]

#: What events say, which no list may tell.
TEXT = "known to the author alone"
#: What handlers say where they fail.
ERROR = "the read model says no"


class PostCreated(Event, type="created"):
    text: str


class TextChanged(Event, type="changed"):
    text: str


class Post(BaseModel):
    text: str = ""
    changes: int = 0


PostEvent = PostCreated | TextChanged


def fold(event: PostEvent, post: Post, _meta: EventMeta) -> Post:
    changes = post.changes + 1 if isinstance(event, TextChanged) else 0
    return Post(text=event.text, changes=changes)


def post_with(
    fold: Callable[[PostEvent, Post, EventMeta], Post] = fold,
    *,
    events: Sequence[type[Any]] = (PostCreated, TextChanged),
) -> Aggregate[Any, Post]:
    """The aggregate, as another release has it."""
    return create_aggregate(
        stream="posts", events=events, create=Post, fold=fold, persist=Persist(version="1")
    )


class Blog:
    """The module ``blog``, and what operators ask of it."""

    def __init__(self, commands: Mapping[str, CommandModule[Any]] | None = None) -> None:
        environment = {
            Env.NODE_ENV: "local",
            Env.APP_NAME: "shop",
            Env.MODULES: json.dumps({"blog": {"kind": "events", "handlers": True, "feed": True}}),
        }
        self.store = MemoryStore()
        self.resources = MemoryResources(Settings.from_environment(environment), self.store, Clock())
        self.commands = commands or {}
        self.seen: list[tuple[str, int, str, int]] = []
        self.failing: set[tuple[str, int]] = set()
        self.deploy(post_with())

    def deploy(self, post: Aggregate[Any, Post], handlers: Sequence[str] = ("posts-model",)) -> None:
        """Run another release on the same tables."""
        self.post = post
        self.domain = create_domain(DynamoProvider("blog", self.resources), post)
        self.handlers = {name: self._handler(name) for name in handlers}
        self.module = EventModule("blog", self.domain, handlers=list(self.handlers.values()))
        self.module.use(resources=self.resources)

    def _handler(self, name: str) -> EventHandler:
        """One that notes what it is shown, and fails where ``failing`` says so."""
        handler = self.domain.create_handler(name, [self.post])

        def note(aggregate_id: str, _event: object, meta: EventMeta) -> None:
            if (aggregate_id, meta.version) in self.failing:
                raise RuntimeError(ERROR)
            self.seen.append((name, meta.generation, aggregate_id, meta.version))

        for event in (PostCreated, TextChanged):
            handler.handle(self.post, event, note)
        return handler

    @property
    def table(self) -> str:
        """Name of the events table."""
        return self.module.tables.events

    def write(self, aggregate_id: str = "p1", *, tenant: str = "acme", changes: int = 0) -> Loaded[Post]:
        """Begin a post, and change it, an append each."""
        posts = self.domain[self.post]
        loaded = posts.append(posts.get_aggregate(aggregate_id, tenant=tenant), PostCreated(text=TEXT))
        for _ in range(changes):
            loaded = posts.append(loaded, TextChanged(text=TEXT))
        return loaded

    def feed(self, name: str = "posts-model") -> None:
        """Show a handler what is there."""
        with suppress(RuntimeError):
            self.handlers[name].run_once()

    def park(
        self, aggregate_id: str, version: int, *, done: int | None = None, whose: str = "posts-model@1"
    ) -> None:
        """Let a handler have given up at a version."""
        name, _, generation = whose.partition("@")
        key = CursorKey(name, int(generation), Key("posts", aggregate_id, "acme"))
        cursors = self.domain.provider.cursors()
        if done is not None:
            cursors.rows([key])[key].let_go(None, done)
        assert cursors.rows([key])[key].park(version, f"RuntimeError: {ERROR}")

    def erase(self, aggregate_id: str = "p1", tenant: str = "acme") -> None:
        """Erase a post."""
        key = Key("posts", aggregate_id, tenant)
        closing = Commit(key=key, first=1, events=(), append_id="closing", at=clock.now(), closes=True)
        self.domain.provider.erase(key, closing)

    def append(self, *events: StoredEvent, first: int, aggregate_id: str = "p1", **more: Any) -> None:
        """Append what no code of today would."""
        key = Key("posts", aggregate_id, "acme")
        commit = Commit(key=key, first=first, events=events, append_id=f"a-{first}", at=clock.now(), **more)
        self.domain.provider.append([commit])

    def damage(self, aggregate_id: str = "p1", version: int = 1) -> str:
        """Let a commit make no sense; the partition key of its aggregate."""
        pk = Key("posts", aggregate_id, "acme").pk
        place = Place(self.table, pk, place_key(version))
        self.store.write(Set(place=place, columns={"events": "{"}, condition=Attr("pk").exists()))
        return pk

    def stray(self) -> str:
        """Put a row that looks like a commit under a partition key that no aggregate has."""
        self.store.write(Put(table=self.table, row={"pk": "posts#stray", "sk": place_key(1), "last": 1}))
        return "posts#stray"

    def operate(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer of an operation on the module, as Lambda would send it."""
        scope = Scope(self.commands, self.resources, {"blog": self.module})
        event = {"operation": operation, "module": "blog", **arguments}
        if event["module"] is None:
            del event["module"]
        answer: dict[str, Any] = json.loads(json.dumps(Operator(scope).run(event)))
        return answer

    def pages(self, operation: str, **arguments: Any) -> list[dict[str, Any]]:
        """All pages of an operation."""
        found = [self.operate(operation, **arguments)]
        while found[-1]["resumeToken"] is not None:
            found.append(self.operate(operation, **arguments, resumeToken=found[-1]["resumeToken"]))
        return found
