"""A small domain of users and posts, for tests of handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.errors import CommandError
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commands.commands import Commands, create_commands
from runtime.event_store.domain import Domain, create_domain
from runtime.event_store.providers.memory_provider import MemoryProvider
from tests.event_store.blog import PostArchived, PostCreated, PostEvent, UserCreated, UserDisabled

if TYPE_CHECKING:
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.events.recorded import EventMeta, RecordedEvent
    from runtime.event_store.handlers.handler import EventHandler


UserEvent = UserCreated | UserDisabled


def _fold(event: object, state: dict[str, Any], _: EventMeta) -> dict[str, Any]:
    return {type(event).__name__: state.get(type(event).__name__, 0) + 1}


user: Aggregate[UserEvent, dict[str, Any]] = create_aggregate(
    stream="users", events=[UserCreated, UserDisabled], create=dict, fold=_fold
)
post: Aggregate[PostEvent, dict[str, Any]] = create_aggregate(
    stream="posts", events=[PostCreated, PostArchived], create=dict, fold=_fold
)


@dataclass(frozen=True)
class ArchivePost:
    by: str


class Provider(MemoryProvider):
    """The provider in memory, which remembers what it is told of errors."""

    def __init__(self, *, page_size: int = 1000) -> None:
        super().__init__(page_size=page_size)
        self.told: list[tuple[str, str, str, str | None]] = []

    def on_error(
        self, error: Exception, stream: str, bookmark: str, event: RecordedEvent[Any] | None
    ) -> None:
        self.told.append((str(error), stream, bookmark, None if event is None else event.meta.event_id))


class Blog:
    """A domain on a provider, and short words for what tests do with it."""

    def __init__(self, provider: MemoryProvider | None = None) -> None:
        self.provider = provider or Provider()
        self.domain: Domain = create_domain(self.provider, user, post, default_tenant="acme")
        self.post_commands: Commands[PostEvent, dict[str, Any]] = create_commands(self.domain[post])

        @self.post_commands.on(ArchivePost)
        def archive(_: ArchivePost, current: Loaded[dict[str, Any]]) -> PostEvent:
            if not current.exists:
                msg = "there is no such post"
                raise CommandError(msg, code="no-post")
            return PostArchived()

    def again(self) -> Blog:
        """The same store in another process."""
        return Blog(self.provider)

    def users(self, *ids: str, tenant: str = "acme") -> Loaded[Any]:
        """Something happens to each of these users: the first time it is created."""
        repository = self.domain[user]
        loaded = None
        for one in ids:
            current = repository.get_aggregate(one, tenant=tenant)
            event = UserDisabled() if current.exists else UserCreated(name=one)
            loaded = repository.append(current, event)
        assert loaded is not None
        return loaded

    def posts(self, *ids: str) -> Loaded[Any]:
        """The same with posts."""
        repository = self.domain[post]
        loaded = None
        for one in ids:
            current = repository.get_aggregate(one)
            event: PostEvent = PostArchived() if current.exists else PostCreated("u1", one)
            loaded = repository.append(current, event)
        assert loaded is not None
        return loaded


EVERYTHING: Any = ((user, UserCreated), (user, UserDisabled), (post, PostCreated), (post, PostArchived))


class Seen(list[str]):
    """What a handler was shown, as ``id@version``; it fails at what is ``broken``."""

    def __init__(self, handler: EventHandler, *, only: Any = EVERYTHING) -> None:
        super().__init__()
        self.broken: set[str] = set()
        for stream, event in only:
            if stream.stream in handler.streams:
                handler.handle(stream, event, self.note)

    def note(self, aggregate_id: str, _: object, meta: EventMeta) -> None:
        what = f"{aggregate_id}@{meta.version}"
        if what in self.broken:
            raise ValueError(what)
        self.append(what)
