"""Constructs for what a former stack has left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.tables.imported_table import imported_table
from runtime import contract

if TYPE_CHECKING:
    from constructs_lib.stack.cqrs_module import CqrsModule
    from constructs_lib.stack.event_module import EventModule
    from constructs_lib.stack.retained_data import RetainedData

__all__ = ["TakenBack"]


class TakenBack(Construct):
    """Everything that `RetainedData` names, as constructs; nothing of it is in the template.

    Args:
        scope: The stack.
        construct_id: Id within ``scope``.
        data: What there is.
        encryption_key: Customer managed key of all of it, unless ``data`` names another one.

    """

    def __init__(
        self, scope: Construct, construct_id: str, *, data: RetainedData, encryption_key: kms.IKey | None
    ) -> None:
        super().__init__(scope, construct_id)
        self._data = data
        arn = data.encryption_key_arn
        self._key = kms.Key.from_key_arn(self, "Key", arn) if arn else encryption_key
        self.session_table = self._table("Sessions", data.session_table_name)
        self.master_data_table = self._table("MasterData", data.master_data_table_name)
        self.sequences_table = self._table("Sequences", data.sequences_table_name)
        self.attributes_bucket = self._bucket("Attributes", data.attributes_bucket_name)
        self.failed_records_bucket = self._bucket("FailedRecords", data.failed_records_bucket_name)
        pool = data.user_pool_id
        self.user_pool = cognito.UserPool.from_user_pool_id(self, "UserPool", pool) if pool else None

    def tables_of(self, module: CqrsModule) -> dict[str, Any]:
        """The tables of a module, by the property of `CqrsTable` that takes each; none where they are new."""
        stream = self._data.command_table_streams.get(module.name)
        if stream is None:
            return {}
        kinds = [contract.DATA_SUFFIX, contract.HISTORY_SUFFIX]
        if module.data_sync and module.name not in self._data.without_sync_table:
            kinds.append(contract.SYNC_SUFFIX)
        return self._of_module(module.name, stream, contract.COMMAND_SUFFIX, kinds)

    def event_tables_of(self, module: EventModule) -> dict[str, Any]:
        """The same of a module of events, for `EventStoreTable`."""
        stream = self._data.events_table_streams.get(module.name)
        if stream is None:
            return {}
        return self._of_module(module.name, stream, contract.EVENTS_SUFFIX, [contract.SYNC_SUFFIX])

    def _of_module(self, name: str, stream_arn: str, streamed: str, others: list[str]) -> dict[str, Any]:
        """Tables whose names begin as that of the one with the stream."""
        arn, _, _ = stream_arn.partition("/stream/")
        prefix = arn.removesuffix(f"-{streamed}")
        scope = Construct(self, name)
        return {
            f"{kind}_table": dynamodb.TableV2.from_table_attributes(
                scope,
                kind.capitalize(),
                table_arn=f"{prefix}-{kind}",
                table_stream_arn=stream_arn if kind == streamed else None,
                encryption_key=self._key,
            )
            for kind in (streamed, *others)
        }

    def _table(self, construct_id: str, name: str | None) -> dynamodb.ITableV2 | None:
        if name is None:
            return None
        return imported_table(self, construct_id, name, encryption_key=self._key)

    def _bucket(self, construct_id: str, name: str | None) -> s3.IBucket | None:
        if name is None:
            return None
        return s3.Bucket.from_bucket_attributes(
            self, construct_id, bucket_name=name, encryption_key=self._key
        )
