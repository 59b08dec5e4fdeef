"""The functions of the service, from one code asset, each with a role of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Annotations, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import BroughtFunction, behind
from constructs_lib.functions.code_asset import warn_of_hidden_runtime
from constructs_lib.functions.cqrs_function import CqrsFunction
from constructs_lib.functions.features_text import check_feature, features_text
from constructs_lib.functions.function_defaults import FunctionDefaults
from constructs_lib.functions.function_elsewhere import FunctionElsewhere, as_used_in, original_of
from constructs_lib.functions.function_environment import check_own_variables, warn_of_passwords
from constructs_lib.functions.function_options import TIMEOUTS, FunctionOptions
from constructs_lib.functions.modules_text import modules_text, raw_text
from constructs_lib.functions.secret_grants import allow_secret
from constructs_lib.functions.tenant_sessions import TenantSessions
from constructs_lib.parts import DataAccess
from constructs_lib.props.strict_props import strict_props
from constructs_lib.props.taken_names import take_name
from constructs_lib.quotas.environment import check_environment, may_be_too_large
from constructs_lib.quotas.role_policies import FEW_MODULES, check_policies
from constructs_lib.tables.naming import check_env_name
from constructs_lib.tables.session_table import session_minutes
from runtime.contract import HANDLER_ROWS, Env, FunctionKind, metric_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_cdk import Duration, RemovalPolicy
    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_secretsmanager as secretsmanager

    from constructs_lib.api.identity import Identity
    from constructs_lib.functions.network import Network
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.parts import Part
    from constructs_lib.tables.attributes_bucket import AttributesBucket
    from constructs_lib.tables.cqrs_table import CqrsTable
    from constructs_lib.tables.event_store_table import EventStoreTable
    from constructs_lib.tables.master_data_table import MasterDataTable
    from constructs_lib.tables.session_table import SessionTable

__all__ = ["CqrsFunctions"]

#: Some 900 bytes of variables tell where the parts of a service are.
_PARTS: Final = 500
_OTHER_NAME: Final = (
    "metrics and alarms go by it: give one of them another env_name or app_name, or its stack another "
    "env=Environment(account=..., region=...)"
)


class CqrsFunctions(Construct):
    """The functions api, stream, worker, notifier and operator, and projector, from one code asset.

    Each has its own role and environment: api publishes and reads, stream starts the
    processing, worker applies commands and runs data sync handlers, notifier tells
    clients; projector, which is there where a module has event handlers, runs them. None may do what
    another one does for it. The code's own needs, such as variables, packages and secrets, are given to
    all of them, as all of them import it. operator is for people and for the schedule of `Healing`: it
    repairs what all tenants have, and needs what worker and projector need, such as a way to their
    database.

    Example:
        >>> functions = CqrsFunctions(
        ...     self, "Functions", code=code, app_name="shop", tables=[orders],
        ...     notifications=notifications, vpc=vpc
        ... )
        >>> CommandWorkflow(self, "Workflow", worker=functions.worker).connect(functions)
        >>> database.connections.allow_default_port_from(functions.worker)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        code: Code with a `CqrsApp` of the runtime.
        handler: Where in ``code`` the `CqrsApp` is. Defaults to "main.app".
        app_name: Name of the service; the second part of conventional table names.
        env_name: Name of the environment, such as "prod" or "pr-42"; the first part of those
            names. Defaults to "dev".
        tables: The modules' tables, of both kinds. What is given here, and in the next six, is connected at
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
            rights itself. Defaults to False: the library alone keeps tenants apart.
        defaults: What these functions share; the properties below go before it. Defaults to
            `FunctionDefaults`.
        layers: Layers of all of them, behind those of ``defaults``, such as a `RuntimeLayer`'s.
        dependency_layers: Layers with what your code needs, behind ``layers``. Defaults to none.
        environment: Variables of your code, for all functions. Secrets: `add_secret`. Defaults
            to none.
        commands: Whether the service has, or will have, modules of commands. Without them there are the
            functions stream, worker and notifier only where they are given: nothing calls them. Defaults to
            True.
        api: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        snap_start: Whether ``api_target`` is an alias of api that starts from a snapshot; see
            `CqrsFunction`. The others have nobody who waits for their start. Defaults to False.
        stream: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        worker: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        notifier: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        projector: An existing function, or the size of a new one, to run event handlers. Defaults to a
            new one of the default size where one of ``tables`` has event handlers, else to none. Tables with
            handlers that are connected later need it.
        operator: An existing function, or the size of a new one. Defaults to a new one of the
            default size. Where worker is in a VPC, it belongs there too: it runs the same handlers.
            Existing ones get their permissions and variables here, other than those
            that they set themselves; code, layers and network are their own. Of one that was
            imported, or is of another stack, synthesis says which variables it needs.
        architecture: Processor of the functions. Defaults to that of ``defaults``: ARM64.
        python_runtime: Their Python. Defaults to that of ``defaults``: the Python that synthesizes.
        log_retention: How long their logs are kept. Defaults to that of ``defaults``: 1 month.
        removal_policy: What happens to their log groups when they leave the stack. Defaults to
            that of ``defaults``: RETAIN.
        vpc: The VPC that all functions run in, but for those whose `FunctionOptions` say otherwise,
            and existing ones. Defaults to that of ``defaults``: none.
        vpc_subnets: Which subnets of the VPC, private or isolated. Defaults to those of
            ``defaults``: the private ones, or the isolated ones where there are no private ones.
        security_groups: What guards the functions in the VPC, all alike. Defaults to those of
            ``defaults``: a new group for each.

    Raises:
        InvalidPropsError: A variable is one that the constructs set, the variables are larger than
            4 KB, the VPC has no such subnets, an existing function works for another service
            already, ``read_your_writes`` has no session table, with ``tenant_sessions`` the api
            function, or its role, is also that of another one, or another service in the app, of the
            same account and region, has the same env_name and app_name together.

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
        tables: Sequence[CqrsTable | EventStoreTable] = (),
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
        commands: bool = True,
        api: FunctionOptions | lambda_.IFunction | None = None,
        stream: FunctionOptions | lambda_.IFunction | None = None,
        worker: FunctionOptions | lambda_.IFunction | None = None,
        notifier: FunctionOptions | lambda_.IFunction | None = None,
        operator: FunctionOptions | lambda_.IFunction | None = None,
        projector: FunctionOptions | lambda_.IFunction | None = None,
        architecture: lambda_.Architecture | None = None,
        python_runtime: lambda_.Runtime | None = None,
        log_retention: logs.RetentionDays | None = None,
        removal_policy: RemovalPolicy | None = None,
        vpc: ec2.IVpc | bool | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        snap_start: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        check_env_name(env_name)
        _check_snap_start(api, snap_start=snap_start)
        # Two stacks of one service may count together; two services must not.
        take_name(
            self, "service", metric_service(env_name, app_name), owner=(env_name, app_name), hint=_OTHER_NAME
        )
        own = dict(environment or {})
        check_own_variables("environment", own)
        warn_of_passwords(self, own, env_name)
        warn_of_hidden_runtime(self, code)
        self.app_name, self.env_name = app_name, env_name
        #: Whether there are, or may be, modules of commands.
        self.has_commands = commands
        self._modules: dict[str, Mapping[str, Any]] = {}
        self._features: dict[str, Mapping[str, Any]] = {}
        # Beside the names and addresses of the parts.
        self._environment = {**own, "PARTS": "x" * _PARTS}
        shared = (
            (defaults or FunctionDefaults())
            .but(
                architecture=architecture,
                python_runtime=python_runtime,
                log_retention=log_retention,
                removal_policy=removal_policy,
                vpc=vpc,
                vpc_subnets=vpc_subnets,
                security_groups=security_groups,
            )
            .plus(
                layers=[*layers, *dependency_layers],
                environment={Env.NODE_ENV: env_name, Env.APP_NAME: app_name, Env.MODULES: "{}", **own},
            )
        )
        self._told: dict[int, BroughtFunction | FunctionElsewhere] = {}
        self._made: dict[int, CqrsFunction] = {}
        self._used: dict[str, lambda_.IFunction] = {}
        kinds = [_path(given) for given in (api, stream, worker, notifier, operator, projector)]

        def function(kind: str, given: FunctionOptions | lambda_.IFunction | None) -> lambda_.IFunction:
            if given is not None and not isinstance(given, FunctionOptions):
                # A function of several kinds is for none in particular.
                of_kind = {Env.FUNCTION: kind} if kinds.count(_path(given)) == 1 else {}
                return self._given_function(kind, given, {**shared.environment, **of_kind})
            options = given or FunctionOptions()
            check_own_variables(f"environment of {kind}", options.environment)
            warn_of_passwords(self, options.environment, env_name)
            made = CqrsFunction(
                self,
                kind.capitalize(),
                code=code,
                handler=handler,
                defaults=shared,
                environment={**options.environment, Env.FUNCTION: kind},
                memory_size=options.memory_size,
                timeout=options.timeout or TIMEOUTS[kind],
                reserved_concurrency=options.reserved_concurrency,
                description=f"{app_name} {env_name}: {kind}",
                vpc=options.vpc,
                vpc_subnets=options.vpc_subnets,
                security_groups=options.security_groups,
                snap_start=snap_start and kind == FunctionKind.API,
            )
            self._made[id(made.function)] = made
            return made.function

        has_handlers = any(getattr(table, "has_handlers", False) for table in tables)
        self._of_kind = {
            kind: function(kind, given)
            for kind, given, is_needed in (
                (FunctionKind.API, api, True),
                (FunctionKind.STREAM, stream, commands),
                (FunctionKind.WORKER, worker, commands),
                (FunctionKind.NOTIFIER, notifier, commands),
                (FunctionKind.OPERATOR, operator, True),
                (FunctionKind.PROJECTOR, projector, has_handlers),
            )
            if is_needed or given is not None
        }
        self.api = self._of_kind[FunctionKind.API]
        self.operator = self._of_kind[FunctionKind.OPERATOR]
        #: Runs event handlers; None where no module has any.
        self.projector = self.find(FunctionKind.PROJECTOR)
        #: The functions that were made here, by kind: all but those that were brought along.
        self.made = {kind: made for kind, made in self._of_kind.items() if id(made) in self._made}
        #: The layers of these functions.
        self.layers = shared.layers
        self._warn_if_operator_is_outside_vpc(operator)
        if tenant_sessions:
            self._refuse_role_of_api_elsewhere()
        self.tenant_sessions = self._new_tenant_sessions(own) if tenant_sessions else None
        self._appliers = [self.api, self.worker, self.operator] if commands else []
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

    def find(self, kind: str) -> lambda_.IFunction | None:
        """Give the function of a kind.

        Args:
            kind: One of `runtime.contract.FunctionKind`.

        Returns:
            The function; None where the service has none of that kind.

        """
        return self._of_kind.get(kind)

    @property
    def api_target(self) -> lambda_.IFunction:
        """What an HTTP API calls: api, or with ``snap_start`` the alias of its newest version."""
        made = self._made.get(id(self.api))
        return self.api if made is None or made.live is None else made.live

    @property
    def stream(self) -> lambda_.IFunction:
        """Starts the processing of new commands.

        Raises:
            InvalidPropsError: The service has none, as it has no commands.

        """
        return self._of_commands(FunctionKind.STREAM)

    @property
    def worker(self) -> lambda_.IFunction:
        """Applies commands, runs data sync handlers, and takes triggers of your own.

        Raises:
            InvalidPropsError: The service has none, as it has no commands, and none was given.

        """
        return self._of_commands(FunctionKind.WORKER)

    @property
    def notifier(self) -> lambda_.IFunction:
        """Tells clients.

        Raises:
            InvalidPropsError: The service has none, as it has no commands, and none was given.

        """
        return self._of_commands(FunctionKind.NOTIFIER)

    def _of_commands(self, kind: str) -> lambda_.IFunction:
        found = self.find(kind)
        if found is None:
            way_out = (
                "use another function"
                if kind == FunctionKind.STREAM
                else f"where something of yours calls that function, give {kind}=FunctionOptions()"
            )
            msg = f"{kind} is not there: {self.node.path} is without modules of commands; {way_out}"
            raise InvalidPropsError(msg)
        return found

    @property
    def roles(self) -> list[iam.Role]:
        """The roles that were made here: of the new functions, and of `tenant_sessions`."""
        of_tenants = [self.tenant_sessions.role] if self.tenant_sessions else []
        return [*(made.role for made in self._made.values()), *of_tenants]

    @property
    def networks(self) -> list[Network]:
        """Where the functions that were made here run, those outside of any VPC left out."""
        return [made.network for made in self._made.values() if made.network is not None]

    def check_quotas(self) -> None:
        """Refuse what makes a new function, or a role, larger than AWS takes, as they are now.

        It is done again when the app is synthesized, for what was added since.

        Raises:
            InvalidPropsError: Variables are too large, or a role has too many policies.

        """
        texts = {Env.MODULES: raw_text(self._modules), Env.FEATURES: json.dumps(self._features)}
        if may_be_too_large({**self._environment, **texts}):
            for made in self._made.values():
                check_environment(made.function)
        if len(self._modules) > FEW_MODULES:
            for role in self.roles:
                check_policies(role)

    def add_secret(self, variable: str, secret: secretsmanager.ISecret) -> None:
        """Let your code, in all functions, read ``secret``.

        Args:
            variable: Environment variable that gets the secret's ARN, never its value.
            secret: What may be read.

        Raises:
            InvalidPropsError: ``variable`` is one that the constructs set, or the secret is in another
                account or Region.

        """
        check_own_variables("variable", [variable])
        for function in self._everybody:
            allow_secret(function, secret)
        self.set_variable(variable, secret.secret_arn, *self._everybody)

    def data_access(self, function: lambda_.IFunction) -> DataAccess:
        """How ``function`` reaches what tenants keep: itself, or in `tenant_sessions`."""
        if self.tenant_sessions is not None and self._has_role_of_api(function):
            return self.tenant_sessions.data_access
        return DataAccess(function)

    def set_variable(self, variable: str, value: str, *functions: lambda_.IFunction) -> None:
        """Set an environment variable of ``functions``.

        One that was brought keeps what it sets itself; where it cannot be told, as it was imported or
        is of another stack, synthesis says what it needs.

        Args:
            variable: Name of the variable.
            value: Its value; it goes before one that was set earlier.
            functions: Which of the functions get it.

        """
        for function in functions:
            if (told := self._told.get(id(function))) is not None:
                told.set_variable(variable, value)
            elif isinstance(function, lambda_.Function):
                function.add_environment(variable, value)

    def add_module(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell every function of a module; `CqrsTable.connect` and `EventStoreTable.connect` do it.

        Args:
            name: The module.
            settings: What it is, and its tables: ``module_settings_in`` of these.

        Raises:
            InvalidPropsError: Other tables are connected as those of this module.

        """
        if _tables_in(self._modules.get(name, settings)) != _tables_in(settings):
            msg = (
                f"tables must belong to different modules, got two constructs for the module {name!r}; give "
                "one of them another module_name"
            )
            raise InvalidPropsError(msg)
        self._modules[name] = settings
        text = modules_text(self, self._modules)
        for function in self._everybody:
            if (told := self._told.get(id(function))) is not None:
                told.add_module(name, settings)
            else:
                self.set_variable(Env.MODULES, text, function)

    def add_feature(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell every function that the deployment has a feature; the ``connect`` of its construct does it.

        Args:
            name: The feature, as the runtime's ``Feature`` is named.
            settings: What of it is not by convention, such as ``{"table": name}`` or ``{"queue": arn}``. The
                feature finds it as ``self.deployed``.

        Raises:
            InvalidPropsError: Another construct has said something else of this feature.

        """
        check_feature(self, self._features, name, settings)
        self._features[name] = settings
        for function in self._everybody:
            if (told := self._told.get(id(function))) is not None:
                told.add_feature(name, settings)
            else:
                self.set_variable(Env.FEATURES, features_text(self, self._features), function)

    def add_applier(self, function: lambda_.IFunction) -> None:
        """Count ``function`` among those that apply commands, as api, worker and operator always do."""
        if all(function is not known for known in self._appliers):
            self._appliers.append(function)
            for give in self._for_appliers:
                give(function)

    def for_each_applier(self, give: Callable[[lambda_.IFunction], None]) -> None:
        """Call ``give`` with each function that applies commands, also with those added later."""
        self._for_appliers.append(give)
        for function in self._appliers:
            give(function)

    @property
    def _everybody(self) -> tuple[lambda_.IFunction, ...]:
        """All functions: each imports the service's code."""
        return tuple(self._of_kind.values())

    def _given_function(
        self, kind: str, given: lambda_.IFunction, environment: Mapping[str, str]
    ) -> lambda_.IFunction:
        """One that was brought; where several are the same one of another stack, one stands for it.

        It is told what a new one is made with; modules come as they are connected.
        """
        if given.node.path not in self._used:
            used = self._used[given.node.path] = as_used_in(self, kind.capitalize(), kind, given)
            holder = used.node.scope
            told = holder if isinstance(holder, FunctionElsewhere) else BroughtFunction.of(used)
            self._told[id(used)] = told
            for variable, value in environment.items():
                if variable != Env.MODULES:
                    told.set_variable(variable, value)
        return self._used[given.node.path]

    def _warn_if_operator_is_outside_vpc(self, operator: FunctionOptions | lambda_.IFunction | None) -> None:
        """What handlers reach there, the operator has to reach as well: it runs them again."""
        if isinstance(operator, FunctionOptions) and operator.vpc is False:
            return
        run_handlers = (FunctionKind.WORKER, FunctionKind.PROJECTOR)
        inside = [kind for kind in run_handlers if (of := self.find(kind)) and of.is_bound_to_vpc]
        if inside and not self.operator.is_bound_to_vpc:
            Annotations.of(self).add_warning_v2(
                "cqrs:operatorOutsideVpc",
                f"{inside[0]} runs in a VPC and operator does not, though it runs the same handlers when "
                "they are repaired; give operator=FunctionOptions(vpc=...), or vpc=False if they need "
                "nothing there",
            )

    def _refuse_role_of_api_elsewhere(self) -> None:
        """The others work for all tenants: with a role of theirs, api would do so, too."""
        for name, other in self._of_kind.items():
            if name != FunctionKind.API and self._has_role_of_api(other):
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
        known = original_of(function)
        named = [(known, known.function_arn), *([(known.role, known.role.role_arn)] if known.role else [])]
        resolve = Stack.of(self).resolve
        # A reference says which resource of a stack it is, not of which stack.
        return {
            arn if isinstance(arn, str) else f"{arn} of {Stack.of(owner).node.path}"
            for owner, arn in ((owner, resolve(arn)) for owner, arn in named)
        }

    def _new_tenant_sessions(self, environment: Mapping[str, str]) -> TenantSessions:
        # Which tenants are common is what the function is told.
        codes = environment.get(Env.COMMON_TENANT_CODES, "").split(",")
        common = [code.strip().lower() for code in codes if code.strip()] or ["common"]
        # Which generation of an event handler is the live one is asked by readers of every tenant.
        keys = [HANDLER_ROWS] if self.projector else []
        sessions = TenantSessions(
            self, "TenantSessions", function=self.api, common_tenant_codes=common, common_keys=keys
        )
        self.set_variable(Env.TENANT_ROLE_ARN, sessions.role.role_arn, self.api)
        if (made := self._made.get(id(self.api))) is not None:
            made.assumes(sessions.role)
        return sessions


def _tables_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Which tables a module has: not how calls about them take turns, which a later part may change."""
    return {name: value for name, value in settings.items() if name != "exclusive"}


def _path(given: FunctionOptions | lambda_.IFunction | None) -> str | None:
    """Which function was brought, also by an alias or a version of it."""
    return None if given is None or isinstance(given, FunctionOptions) else behind(given).node.path


def _check_snap_start(api: FunctionOptions | lambda_.IFunction | None, *, snap_start: bool) -> None:
    if snap_start and api is not None and not isinstance(api, FunctionOptions):
        msg = (
            f"snap_start is for a function that is made here, got an existing api, {api.node.path}; give its "
            "own construct an alias, and CqrsApi that"
        )
        raise InvalidPropsError(msg)
