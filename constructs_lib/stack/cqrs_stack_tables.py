"""The tables of a `CqrsStack`, under the names that the runtime assumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.tables import naming
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.master_data_table import MasterDataTable
from constructs_lib.tables.session_table import SessionTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import RemovalPolicy
    from constructs import Construct

    from constructs_lib.stack.cqrs_module import CqrsModule

__all__ = ["StackTables"]


class StackTables:
    """Makes the tables of one environment of an app, each in ``scope``."""

    def __init__(
        self, scope: Construct, *, env_name: str, app_name: str, removal_policy: RemovalPolicy
    ) -> None:
        self._scope = scope
        self._names = (env_name, app_name)
        self._removal_policy = removal_policy

    def of_modules(self, modules: Sequence[CqrsModule]) -> dict[str, CqrsTable]:
        """Give the tables of each module, by its name."""
        return {
            module.name: module.table
            or CqrsTable(
                self._scope,
                module.name,
                module_name=module.name,
                table_name_prefix=naming.table_name_prefix(*self._names, module.name),
                processing=module.processing,
                data_sync=module.data_sync,
                removal_policy=self._removal_policy,
            )
            for module in modules
        }

    def sessions(self) -> SessionTable:
        """Make the table of read-your-writes."""
        return SessionTable(
            self._scope,
            "Sessions",
            table_name=naming.session_table_name(*self._names),
            removal_policy=self._removal_policy,
        )

    def master_data(self, given: MasterDataTable | bool) -> MasterDataTable | None:  # noqa: FBT001 - a prop
        """Give the table with settings by tenant: the one given, a new one, or none."""
        if isinstance(given, MasterDataTable):
            return given
        if not given:
            return None
        return MasterDataTable(
            self._scope,
            "MasterData",
            table_name=naming.master_data_table_name(*self._names),
            removal_policy=self._removal_policy,
        )
