"""What the tables of any module have in common: their names, and the functions that use them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.props.checks import (
    check_range,
    check_removal_policy,
    check_table_key,
    refuse_props_of_brought,
)
from constructs_lib.props.environments import BY_NAME, check_environment
from constructs_lib.props.prop_types import named
from constructs_lib.props.tokens import is_unresolved
from constructs_lib.tables import naming
from constructs_lib.tables.pk_sk_table import LONGEST_RECOVERY_DAYS, new_table
from constructs_lib.tables.table_extras import as_struct, check_warm_throughput
from constructs_lib.tables.used_tables import other_user
from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import Duration
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.functions.brought_function import BroughtFunction
    from constructs_lib.functions.function_elsewhere import FunctionElsewhere
    from constructs_lib.parts import ServiceFunctions
    from constructs_lib.tables.table_extras import TableExtras

__all__ = ["ModuleTables", "check_kind", "throttled"]


class ModuleTables(Construct):
    """The tables of one module; `CqrsTable` and `EventStoreTable` are the two kinds.

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        module_name: The module. None: ``construct_id`` in lower case.
        table_name_prefix: Start of the physical names of new tables. None leaves them to CloudFormation.

    Raises:
        InvalidPropsError: A name cannot be one.

    """

    #: The settings of a module that are names of tables, and how those end.
    _SUFFIXES: ClassVar[Mapping[str, str]]
    #: What a function of one's own may be given, by the names of the grants.
    _RIGHTS: ClassVar[tuple[str, ...]]
    #: What it is given where nothing is said.
    _USUAL_RIGHTS: ClassVar[tuple[str, ...]]
    #: What two services would do to the same tables.
    _TWICE: ClassVar[str]
    #: The properties that bring tables along, in words.
    _BROUGHT_BY: ClassVar[str]
    #: What a warning says of what is deleted with the stack.
    _DELETED: ClassVar[str]

    grants: Any

    def __init__(
        self, scope: Construct, construct_id: str, module_name: str | None, table_name_prefix: str | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.module_name = _module_name(construct_id, module_name)
        naming.check_table_name_prefix(table_name_prefix)
        self._prefix = table_name_prefix
        self._service: ServiceFunctions | None = None
        self._own: list[BroughtFunction | FunctionElsewhere] = []
        self._made: set[str] = set()
        self._new_tables: list[dynamodb.TableV2] = []
        self._encryption_key: kms.IKey | None = None
        self._removal_policy = RemovalPolicy.RETAIN
        self._recovery_days = LONGEST_RECOVERY_DAYS

    @property
    @abstractmethod
    def module_settings(self) -> dict[str, Any]:
        """What the runtime has to know of the module."""

    @abstractmethod
    def module_settings_in(self, *, env_name: str, app_name: str) -> dict[str, Any]:
        """Give `module_settings` without what functions of this environment and app assume.

        The variables of a function are limited to 4 KB in total, so names that follow the
        convention are better left out.

        Args:
            env_name: The functions' NODE_ENV.
            app_name: The functions' APP_NAME.

        """

    @abstractmethod
    def _tables(self) -> Mapping[str, dynamodb.ITableV2 | None]:
        """The tables by the names of their properties."""

    @abstractmethod
    def _allow_service(self, functions: ServiceFunctions) -> None:
        """Grant the functions of a service what each of them does."""

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Decide anew what happens to the new tables when they leave the stack; protection follows.

        Args:
            policy: RETAIN, RETAIN_ON_UPDATE_OR_DELETE or DESTROY, as for the property ``removal_policy``.

        Raises:
            InvalidPropsError: It is another one, or all tables were brought along.

        """
        check_removal_policy("policy", policy)
        if not self._new_tables:
            refuse_props_of_brought(self._BROUGHT_BY, policy=policy)
        for table in self._new_tables:
            table.apply_removal_policy(policy)

    def _without_usual_names(self, *, env_name: str, app_name: str) -> dict[str, Any]:
        """The settings without the names that follow the convention, and without what comes with those."""
        convention = naming.table_name_prefix(env_name, app_name, self.module_name)
        made = self._made if self._prefix == convention else ()
        by_name = {name: naming.table_name(convention, suffix) for name, suffix in self._SUFFIXES.items()}
        return {
            name: value
            for name, value in self.module_settings.items()
            if name not in made and value != by_name.get(name)
        }

    def _connect(self, functions: ServiceFunctions | lambda_.IFunction, rights: Sequence[str] | None) -> None:
        if is_own_function(functions):
            self._check_where(functions)
            self._connect_own(own_function(self, functions), self._USUAL_RIGHTS if rights is None else rights)
            return
        if rights is not None:
            msg = f"rights are for a function of your own, got {rights!r} for a service's; leave them out"
            raise InvalidPropsError(msg)
        self._check_one_service(functions)
        self._service = functions
        for earlier in self._own:
            self._tell_service(earlier)
        self._check_where(functions.api)
        self._tell_module(functions)
        self._allow_service(functions)

    def _check_of_new(
        self,
        *,
        encryption_key: kms.IKey | None,
        removal_policy: RemovalPolicy,
        recovery_days: int,
        max_write_request_units: int | None,
        warm_throughput: dynamodb.WarmThroughput | None,
    ) -> dynamodb.WarmThroughput | None:
        """Refuse what no new table can have, and keep what all of them have; give the throughput checked."""
        check_range(
            "max_write_request_units", max_write_request_units, minimum=1, hint="leave it out for no ceiling"
        )
        check_range(
            "point_in_time_recovery_days",
            recovery_days,
            minimum=1,
            maximum=LONGEST_RECOVERY_DAYS,
            hint="DynamoDB keeps at most 35 days",
        )
        check_removal_policy("removal_policy", removal_policy)
        check_table_key(self, encryption_key)
        warm_throughput = warm_throughput and as_struct(dynamodb.WarmThroughput, warm_throughput)
        check_warm_throughput(warm_throughput)
        self._encryption_key = encryption_key
        self._removal_policy = removal_policy
        self._recovery_days = recovery_days
        return warm_throughput

    def _refuse_of_new(self, *, table_name_prefix: str | None, contributor_insights: object) -> None:
        """Refuse what all new tables have, where there are none."""
        refuse_props_of_brought(
            self._BROUGHT_BY,
            table_name_prefix=table_name_prefix,
            encryption_key=self._encryption_key,
            point_in_time_recovery_days=_changed(self._recovery_days, LONGEST_RECOVERY_DAYS),
            removal_policy=_changed(self._removal_policy, RemovalPolicy.RETAIN),
            contributor_insights=contributor_insights,
        )

    def _new_table(
        self,
        setting: str,
        extras: TableExtras,
        *,
        expires: bool,
        billing: dynamodb.Billing | None = None,
        stream: dynamodb.StreamViewType | None = None,
        indexes: Sequence[dynamodb.GlobalSecondaryIndexPropsV2] = (),
    ) -> dynamodb.TableV2:
        """Make the table that a setting names, and remember that its name is the usual one."""
        suffix = self._SUFFIXES[setting]
        self._made.add(setting)
        table = new_table(
            self,
            suffix.capitalize(),
            what=self._DELETED,
            table_name=naming.table_name(self._prefix, suffix) if self._prefix else None,
            encryption_key=self._encryption_key,
            removal_policy=self._removal_policy,
            expires=expires,
            recovery_days=self._recovery_days,
            billing=billing,
            stream=stream,
            indexes=indexes,
            extras=extras,
        )
        self._new_tables.append(table)
        return table

    def _take_tables(self) -> None:
        """Refuse tables that keep the rows of another module: those of the two would be mixed."""
        for prop, table in self._tables().items():
            if table is None:
                continue
            other = other_user(table, "rows", self, owner=(self.module_name, prop))
            if isinstance(other, ModuleTables):
                msg = (
                    f"{prop} must be of one module, got {table.node.path} for {self.module_name!r} at "
                    f"{self.node.path}, which keeps rows of {other.module_name!r} at {other.node.path}: "
                    "those of the two would be mixed; leave it out for a new table, bring another one, or, "
                    f"for the same module, give module_name={other.module_name!r}, and each table in its "
                    "own place"
                )
                raise InvalidPropsError(msg)

    def _check_one_service(self, functions: ServiceFunctions) -> None:
        """Refuse a second service for tables, also by another construct that stands for them."""
        for prop, table in self._tables().items():
            if table is None:
                continue
            other = other_user(table, "service", functions.api, owner=functions)
            if other is not None:
                msg = (
                    f"tables must be of one service, got {functions.api.node.path} for {self.node.path} "
                    f"beside {other.node.path}; {prop} is the same, and {self._TWICE}: let the other one ask "
                    "the API, or connect a function of yours: table.connect(my_function)"
                )
                raise InvalidPropsError(msg)

    def _tell_module(self, functions: ServiceFunctions) -> None:
        settings = self.module_settings_in(env_name=functions.env_name, app_name=functions.app_name)
        functions.add_module(self.module_name, settings)

    def _check_where(self, function: lambda_.IFunction) -> None:
        for name, table in self._tables().items():
            if table is not None:
                check_environment(name, table, function, hint=BY_NAME)

    def _connect_own(self, own: BroughtFunction | FunctionElsewhere, rights: Sequence[str]) -> None:
        for right in [rights] if isinstance(rights, str) else rights:
            if right not in self._RIGHTS:
                known = ", ".join(self._RIGHTS)
                msg = f"rights must be names among {known}, got {right!r}; give a list of them"
                raise InvalidPropsError(msg)
            getattr(self.grants, right)(own.function)
        self._tell_own(own)
        self._own.append(own)
        self._tell_service(own)

    def _tell_own(self, own: BroughtFunction | FunctionElsewhere) -> None:
        # All names: the function may be of another service, or of none.
        names = {name: naming.table_name(self._prefix, name) for name in self._made} if self._prefix else {}
        own.add_module(self.module_name, self.module_settings, names)

    def _tell_service(self, own: BroughtFunction | FunctionElsewhere) -> None:
        """Tell a function which service counts what it does."""
        if self._service is not None:
            own.set_variable(Env.NODE_ENV, self._service.env_name)
            own.set_variable(Env.APP_NAME, self._service.app_name)


def check_kind(prop: str, tables: object, kind: type[ModuleTables], for_others: str) -> None:
    """Refuse tables of a module of the other kind.

    Args:
        prop: Name of the property that brought them.
        tables: The tables.
        kind: What they have to be.
        for_others: What takes those of the other kind.

    Raises:
        InvalidPropsError: They are no such tables.

    """
    if isinstance(tables, kind):
        return
    path = tables.node.path if isinstance(tables, Construct) else "it"
    hint = f"; {named(for_others)} is for it" if isinstance(tables, ModuleTables) else ""
    msg = f"{prop} must be {named(kind.__name__)}, got {path}, {named(type(tables).__name__)}{hint}"
    raise InvalidPropsError(msg)


def throttled(table: dynamodb.ITableV2, kind: str, period: Duration | None) -> cloudwatch.IMetric:
    """Give how often reads or writes of a table were throttled, summed over ``period`` (5 minutes).

    Args:
        table: The table.
        kind: ``Read`` or ``Write``.
        period: Length of a period.

    """
    # One metric for all operations, transactions and batches included. ThrottledRequests is
    # one for each operation, and counts a batch only when all of it is throttled.
    return table.metric(f"{kind}ThrottleEvents", statistic="Sum", period=period)


def _changed(value: object, default: object) -> object | None:
    """Give None for a property that has its default: it configures nothing."""
    return None if value == default else value


def _module_name(construct_id: str, module_name: str | None) -> str:
    if module_name is None:
        naming.check_module_name("construct_id in lower case", construct_id.lower())
        return construct_id.lower()
    if is_unresolved(module_name):
        msg = f"module_name must be known at synthesis, got {module_name!r}; write it as a literal"
        raise InvalidPropsError(msg)
    naming.check_module_name("module_name", module_name)
    return module_name
