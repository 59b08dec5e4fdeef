"""Commits in the DynamoDB tables of a deployed module."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runtime import metrics
from runtime.clients.resources import default_resources
from runtime.event_store.commits.large_events import LargeEvents
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.providers.storage import EventStorage
from runtime.event_store.providers.store_provider import StoreProvider
from runtime.store.bucket import S3Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.clients.resources import Resources
    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import CommandRecord, Commit

__all__ = ["DynamoProvider"]


class DynamoProvider(StoreProvider):
    """Commits in the DynamoDB tables of a module: a `Provider`.

    Making one reads no environment and makes no client: both happen at its first call. Threads may share it.

    Example:
        >>> domain = create_domain(DynamoProvider("blog"), user, post)

    Args:
        module: Name of the module, as the deployment has it.
        resources: Settings and clients. Default: those of this process, made from its environment.
        page_size: The most commits that are read with one call, 1 or more. Default: what fits into 1 MB.

    Raises:
        InvalidInputError: The page size is below 1.
    """

    def __init__(
        self, module: str, resources: Resources | None = None, *, page_size: int | None = None
    ) -> None:
        super().__init__(self._open, page_size=page_size)
        self.module = module
        self._resources = resources

    def use(self, resources: Resources) -> None:
        """Work on other resources from now on, as a test does."""
        self._resources = resources
        for made in ("storage", "_listener"):
            vars(self).pop(made, None)

    def append(
        self,
        commits: Sequence[Commit],
        *,
        unmoved: Mapping[Key, int] | None = None,
        command: CommandRecord | None = None,
    ) -> None:
        """See `StoreProvider.append`. It counts what was appended, and conflicts, in the module's metrics."""
        try:
            super().append(commits, unmoved=unmoved, command=command)
        except AppendRefusedError as refused:
            if refused.moved:
                metrics.count(metrics.APPEND_CONFLICTS, self.module)
            raise
        metrics.count(metrics.EVENTS_APPENDED, self.module, sum(len(commit.events) for commit in commits))

    def _open(self) -> EventStorage:
        resources = self._resources or default_resources()
        settings = resources.settings
        tables = settings.event_tables_of(self.module)
        bucket = S3Bucket(settings.bucket_name, partial(resources.tenant_client, "s3"))
        return EventStorage(
            resources.store, tables, LargeEvents(bucket, tables.events, settings.attribute_limit)
        )
