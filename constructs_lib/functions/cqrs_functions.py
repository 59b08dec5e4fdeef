"""The functions of the service, from one code asset, each with a role of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.code_asset import warn_of_hidden_runtime
from constructs_lib.functions.cqrs_function import CqrsFunction
from constructs_lib.functions.function_defaults import FunctionDefaults
from constructs_lib.functions.function_environment import check_own_variables, warn_of_passwords
from constructs_lib.functions.function_options import TIMEOUTS, FunctionOptions
from constructs_lib.functions.tenant_sessions import TenantSessions
from constructs_lib.parts import DataAccess
from constructs_lib.props.strict_props import strict_props
from constructs_lib.quotas.environment import check_environment, may_be_too_large
from constructs_lib.quotas.role_policies import FEW_MODULES, check_policies
from constructs_lib.tables.session_table import session_minutes
from runtime.contract import Env, FunctionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_cdk import Duration, RemovalPolicy
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_secretsmanager as secretsmanager

    from constructs_lib.api.identity import Identity
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.parts import Part
    from constructs_lib.tables.attributes_bucket import AttributesBucket
    from constructs_lib.tables.cqrs_table import CqrsTable
    from constructs_lib.tables.master_data_table import MasterDataTable
    from constructs_lib.tables.session_table import SessionTable

__all__ = ["CqrsFunctions"]

#: Some 900 bytes of variables tell where the parts of a service are.
_PARTS: Final = 500


class CqrsFunctions(Construct):
    """The functions api, stream, worker, notifier and operator, from one code asset.

    Each has its own role and environment: api publishes and reads, stream starts the
    processing, worker applies commands and runs data sync handlers, notifier tells
    clients. None may do what another one does for it. The code's own needs, such as a
    database, are given to api, worker and operator, which run it. operator is for people and
    for the schedule of `Healing`: it repairs what all tenants have, with worker's network.

    Example:
        >>> functions = CqrsFunctions(
        ...     self, "Functions", code=code, app_name="shop", tables=[orders], notifications=notifications
        ... )
        >>> CommandWorkflow(self, "Workflow", worker=functions.worker).connect(functions)
        >>> database.connections.allow_default_port_from(functions.worker)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        code: Code with a `CqrsApp` of the runtime.
        handler: Where in ``code`` the `CqrsApp` is. Defaults to "main.app".
        app_name: Name of the service; the second part of conventional table names.
        env_name: Stage: "local", "dev", "stg" or "prod"; the first part of those names.
            Defaults to "dev".
        tables: The modules' tables. What is given here, and in the next six, is connected at
            once; every other part connects itself: ``workflow.connect(functions)``. Defaults to
            none.
        notifications: Topics and queue. Defaults to none: nobody is told of a status.
        session_table: Makes users see their own writes, with ``read_your_writes``. Defaults to
            none: users see what was processed.
        read_your_writes: How long a user's own write is looked for before the pipeline has
            processed it. Defaults to what ``session_table`` says.
        master_data_table: Says how long rows are kept. Defaults to none: for ever.
        attributes_bucket: Holds large attributes. Defaults to none: items up to 400 KB.
        identity: Whose ids the api function is told. Defaults to none.
        tenant_sessions: Whether the api function reaches rows and large attributes in sessions of a
            role, `TenantSessions`, each of which is for the one tenant of the request; it has no such
            rights itself. One brought along has to set ``TENANT_ROLE_ARN`` by itself, to
            ``tenant_sessions.role``'s. Defaults to False: the library alone keeps tenants apart.
        defaults: What these functions share; the properties below go before it. Defaults to
            `FunctionDefaults`.
        layers: Layers of all of them, behind those of ``defaults``, such as a `RuntimeLayer`'s.
        dependency_layers: Layers of api, worker and operator only, with what your code needs.
            Defaults to none.
        environment: Variables of your code, for the same three. Secrets: `add_secret`. Defaults
            to none.
        api: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        stream: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        worker: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        notifier: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        operator: An existing function, or the size of a new one. Defaults to a new one of the
            default size. Existing ones get their permissions here; code and environment are
            their own.
        architecture: Processor of the functions. Defaults to that of ``defaults``: ARM64.
        python_runtime: Their Python. Defaults to that of ``defaults``: the Python that synthesizes.
        log_retention: How long their logs are kept. Defaults to that of ``defaults``: 1 month.
        removal_policy: What happens to their log groups when they leave the stack. Defaults to
            that of ``defaults``: RETAIN.

    Raises:
        InvalidPropsError: A variable is one that the constructs set, the variables are larger than
            4 KB, ``read_your_writes`` has no session table, or with ``tenant_sessions`` the api function,
            or its role, is also that of another one.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        handler: str = "main.app",
        app_name: str,
        env_name: str = "dev",
        tables: Sequence[CqrsTable] = (),
        notifications: Notifications | None = None,
        session_table: SessionTable | None = None,
        read_your_writes: Duration | None = None,
        master_data_table: MasterDataTable | None = None,
        attributes_bucket: AttributesBucket | None = None,
        identity: Identity | None = None,
        tenant_sessions: bool = False,
        defaults: FunctionDefaults | None = None,
        layers: Sequence[lambda_.ILayerVersion] = (),
        dependency_layers: Sequence[lambda_.ILayerVersion] = (),
        environment: Mapping[str, str] | None = None,
        api: FunctionOptions | lambda_.IFunction | None = None,
        stream: FunctionOptions | lambda_.IFunction | None = None,
        worker: FunctionOptions | lambda_.IFunction | None = None,
        notifier: FunctionOptions | lambda_.IFunction | None = None,
        operator: FunctionOptions | lambda_.IFunction | None = None,
        architecture: lambda_.Architecture | None = None,
        python_runtime: lambda_.Runtime | None = None,
        log_retention: logs.RetentionDays | None = None,
        removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        own = dict(environment or {})
        check_own_variables("environment", own)
        warn_of_passwords(self, own, env_name)
        warn_of_hidden_runtime(self, code)
        self.app_name = app_name
        self.env_name = env_name
        self._modules: dict[str, Mapping[str, Any]] = {}
        self._own: list[CqrsFunction] = []
        # Beside the names and addresses of the parts.
        self._environment = {**own, "PARTS": "x" * _PARTS}
        shared = (
            (defaults or FunctionDefaults())
            .but(
                architecture=architecture,
                python_runtime=python_runtime,
                log_retention=log_retention,
                removal_policy=removal_policy,
            )
            .plus(
                layers=layers,
                environment={Env.NODE_ENV: env_name, Env.APP_NAME: app_name, Env.MODULES: "{}"},
            )
        )
        with_own_code = shared.plus(layers=dependency_layers, environment=own)

        def function(
            kind: str, given: FunctionOptions | lambda_.IFunction | None, defaults: FunctionDefaults
        ) -> lambda_.IFunction:
            if given is not None and not isinstance(given, FunctionOptions):
                return given
            options = given or FunctionOptions()
            made = CqrsFunction(
                self,
                kind.capitalize(),
                code=code,
                handler=handler,
                defaults=defaults,
                environment={Env.FUNCTION: kind},
                memory_size=options.memory_size,
                timeout=options.timeout or TIMEOUTS[kind],
                reserved_concurrency=options.reserved_concurrency,
                description=f"{app_name} {env_name}: {kind}",
            )
            self._own.append(made)
            return made.function

        self.api = function(FunctionKind.API, api, with_own_code)
        self.stream = function(FunctionKind.STREAM, stream, shared)
        self.worker = function(FunctionKind.WORKER, worker, with_own_code)
        self.notifier = function(FunctionKind.NOTIFIER, notifier, shared)
        self.operator = function(FunctionKind.OPERATOR, operator, with_own_code)
        self._brought = {id(given) for given in (api, stream, worker, notifier, operator)}
        if tenant_sessions:
            self._refuse_role_of_api_elsewhere()
        self.tenant_sessions = self._new_tenant_sessions(own) if tenant_sessions else None
        self._appliers = [self.api, self.worker, self.operator]
        self._for_appliers: list[Callable[[lambda_.IFunction], None]] = []

        parts: list[Part | None] = [
            *tables,
            notifications,
            session_table,
            master_data_table,
            attributes_bucket,
            identity,
        ]
        for part in parts:
            if part is not None:
                part.connect(self)
        if read_your_writes is not None:
            minutes = session_minutes(read_your_writes)
            if session_table is None:
                msg = (
                    f"read_your_writes needs session_table, got {read_your_writes.to_human_string()} "
                    "without one; pass a SessionTable"
                )
                raise InvalidPropsError(msg)
            self.set_variable(Env.RYW_SESSION_TTL_MINUTES, minutes, self.api)
        self.check_quotas()

    @property
    def roles(self) -> list[iam.Role]:
        """The roles that were made here: of the new functions, and of `tenant_sessions`."""
        of_tenants = [self.tenant_sessions.role] if self.tenant_sessions else []
        return [*(function.role for function in self._own), *of_tenants]

    def check_quotas(self) -> None:
        """Refuse what makes a new function, or a role, larger than AWS takes, as they are now.

        It is done again when the app is synthesized, for what was added since.

        Raises:
            InvalidPropsError: Variables are too large, or a role has too many policies.

        """
        if may_be_too_large({**self._environment, Env.MODULES: json.dumps(self._modules)}):
            for function in self._own:
                check_environment(function.function)
        if len(self._modules) > FEW_MODULES:
            for role in self.roles:
                check_policies(role)

    def add_secret(self, variable: str, secret: secretsmanager.ISecret) -> None:
        """Let your code, in api, worker and operator, read ``secret``.

        Args:
            variable: Environment variable that gets the secret's ARN, never its value.
            secret: What may be read.

        Raises:
            InvalidPropsError: ``variable`` is one that the constructs set.

        """
        check_own_variables("variable", [variable])
        readers = (self.api, self.worker, self.operator)
        for function in readers:
            secret.grant_read(function)
        self.set_variable(variable, secret.secret_arn, *readers)

    def data_access(self, function: lambda_.IFunction) -> DataAccess:
        """How ``function`` reaches what tenants keep: itself, or in `tenant_sessions`."""
        if self.tenant_sessions is not None and self._has_role_of_api(function):
            return self.tenant_sessions.data_access
        return DataAccess(function)

    def set_variable(self, variable: str, value: str, *functions: lambda_.IFunction) -> None:
        """Set an environment variable of ``functions``, except of those that were brought.

        Args:
            variable: Name of the variable.
            value: Its value; it goes before one that was set earlier.
            functions: Which of the functions get it.

        """
        for function in functions:
            if id(function) not in self._brought and isinstance(function, lambda_.Function):
                function.add_environment(variable, value)

    def add_module(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell every function of a module; `CqrsTable.connect` does it.

        Args:
            name: The module.
            settings: How it is processed, and its tables: `CqrsTable.module_settings_in`.

        """
        self._modules[name] = settings
        everybody = (self.api, self.stream, self.worker, self.notifier, self.operator)
        self.set_variable(Env.MODULES, Stack.of(self).to_json_string(self._modules), *everybody)

    def add_applier(self, function: lambda_.IFunction) -> None:
        """Count ``function`` among those that apply commands: api, worker and operator always do."""
        if all(function is not known for known in self._appliers):
            self._appliers.append(function)
            for give in self._for_appliers:
                give(function)

    def for_each_applier(self, give: Callable[[lambda_.IFunction], None]) -> None:
        """Call ``give`` with each function that applies commands, also with those added later."""
        self._for_appliers.append(give)
        for function in self._appliers:
            give(function)

    def _refuse_role_of_api_elsewhere(self) -> None:
        """The others work for all tenants: with a role of theirs, api would do so, too."""
        others = {
            "stream": self.stream,
            "worker": self.worker,
            "notifier": self.notifier,
            "operator": self.operator,
        }
        for name, other in others.items():
            if self._has_role_of_api(other):
                msg = (
                    f"api must be a function with a role of its own where tenant_sessions is on, got that of "
                    f"{name} ({other.node.path}), which reaches the rows of all tenants; bring another one, "
                    "or leave tenant_sessions out"
                )
                raise InvalidPropsError(msg)

    def _has_role_of_api(self, function: lambda_.IFunction) -> bool:
        """Whether a function is api, whatever construct stands for it, or has its role."""
        return function is self.api or bool(self._arns(function) & self._arns(self.api))

    def _arns(self, function: lambda_.IFunction) -> set[str]:
        resolve = Stack.of(self).resolve
        arns = [function.function_arn, *([function.role.role_arn] if function.role else [])]
        return {str(resolve(arn)) for arn in arns}

    def _new_tenant_sessions(self, environment: Mapping[str, str]) -> TenantSessions:
        # Which tenants are common is what the function is told.
        codes = environment.get(Env.COMMON_TENANT_CODES, "").split(",")
        common = [code.strip().lower() for code in codes if code.strip()] or ["common"]
        sessions = TenantSessions(self, "TenantSessions", function=self.api, common_tenant_codes=common)
        self.set_variable(Env.TENANT_ROLE_ARN, sessions.role.role_arn, self.api)
        return sessions
