"""What each function of the service may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.tables.processing import Processing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.functions.cqrs_functions import CqrsFunctions
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.tables.attributes_bucket import AttributesBucket
    from constructs_lib.tables.cqrs_table import CqrsTable
    from constructs_lib.tables.master_data_table import MasterDataTable
    from constructs_lib.tables.session_table import SessionTable

__all__ = ["give_permissions"]


def give_permissions(
    functions: CqrsFunctions,
    *,
    tables: Sequence[CqrsTable],
    notifications: Notifications,
    session_table: SessionTable | None,
    master_data_table: MasterDataTable | None,
    attributes_bucket: AttributesBucket | None,
) -> None:
    """Give each function the permissions that its events need."""
    api, stream, worker, operator = functions.api, functions.stream, functions.worker, functions.operator
    inline = [table for table in tables if table.processing is Processing.INLINE]
    for table in tables:
        table.grants.publish(api)
        table.grants.read(api)
        # A synchronous publish applies the command in the same transaction.
        table.grants.apply(api)
        # The stream function applies inline, and an execution follows for handlers only.
        if table.processing is not Processing.INLINE or table.sync_table:
            table.grants.apply(worker)
        table.grants.inspect(operator)
        table.grants.reconcile(operator)
        # Only handlers park, and only they can be fed again.
        if table.sync_table:
            table.grants.repair(operator)
            table.grants.replay(operator)
    for table in inline:
        table.grants.apply(stream)
    for applier in (api, worker, operator, *([stream] if inline else [])):
        notifications.grants.publish(applier)
        if master_data_table:
            master_data_table.grants.read(applier)
    notifications.grants.raise_alarm(worker)
    notifications.grants.replay(operator)
    if session_table:
        session_table.grants.track(api)
    if attributes_bucket:
        attributes_bucket.grants.read_write(api)
        attributes_bucket.grants.read(worker)
        attributes_bucket.grants.read(operator)
