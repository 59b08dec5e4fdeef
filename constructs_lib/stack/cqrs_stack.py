"""A whole service in one stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aws_cdk import CfnOutput, Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.api.cqrs_api import CqrsApi
from constructs_lib.api.identity import Identity
from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.code_asset import code_asset
from constructs_lib.functions.cqrs_functions import CqrsFunctions
from constructs_lib.functions.function_defaults import FunctionDefaults
from constructs_lib.layers.dependencies_layer import DependenciesLayer
from constructs_lib.layers.runtime_layer import RuntimeLayer
from constructs_lib.messaging.notifications import Notifications
from constructs_lib.messaging.realtime_api import DEFAULT_CROSS_TENANT_ROLES, RealtimeApi
from constructs_lib.monitoring.cqrs_monitoring import CqrsMonitoring
from constructs_lib.pipeline.command_workflow import CommandWorkflow, WorkflowType
from constructs_lib.pipeline.failed_records import FailedRecords
from constructs_lib.pipeline.healing import Healing
from constructs_lib.pipeline.stream_processing import StreamProcessing
from constructs_lib.props.checks import refuse_props_of_brought
from constructs_lib.props.strict_props import strict_props
from constructs_lib.quotas.at_synth import check_at_synth
from constructs_lib.quotas.role_policies import FEW_MODULES
from constructs_lib.quotas.stack_size import MOST_OUTPUTS
from constructs_lib.stack.names import check_names, check_stack_texts, output_prefix
from constructs_lib.stack.quotas import check_stack
from constructs_lib.tables import naming
from constructs_lib.tables.attributes_bucket import AttributesBucket
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.master_data_table import MasterDataTable
from constructs_lib.tables.session_table import SessionTable
from runtime.contract import Claim, Env

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    from aws_cdk import aws_apigatewayv2 as apigatewayv2

    from constructs_lib.functions.function_options import FunctionOptions
    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
    from constructs_lib.parts import Part
    from constructs_lib.stack.cqrs_module import CqrsModule

__all__ = ["CqrsStack"]

_Made = TypeVar("_Made")


class CqrsStack(Stack):
    """Everything that a service needs, from its HTTP API to its notifications.

    Tables, stream, workflow, functions, topics, queue, users and API, wired with least
    privilege. Each part is a construct of its own and a public attribute; where a service
    outgrows this composition it composes the same constructs itself.

    Example:
        >>> CqrsStack(app, "Shop", app_name="shop", modules=[CqrsModule("order")], code="service")

    Args:
        scope: The app, or a stage.
        construct_id: Id within ``scope``, and the name of the stack.
        app_name: Name of the service; the second part of the tables' names.
        env_name: Stage: "local", "dev", "stg" or "prod"; the first part of those names.
            Defaults to "dev".
        modules: The service's modules.
        code: Folder with the Lambda code, zip file of it, or the code. A relative path is relative to
            the working directory. Of a folder is left out what has no business in Lambda: hidden
            files, caches, tests, virtual environments, ``node_modules``, ``cdk.out``.
        handler: Where in ``code`` the `CqrsApp` of the runtime is. Defaults to "main.app".
        dependencies: Lock file of what ``code`` needs, for the functions that run it.
            Defaults to nothing besides the runtime.
        runtime_layer: An existing layer with the runtime. Defaults to a new `RuntimeLayer`.
        environment: Variables of your code, for the functions api, worker and operator. For
            what is secret there is ``functions.add_secret``. Defaults to none.
        read_your_writes: How long a user's own write is looked for before the pipeline has
            processed it. None switches it off, and leaves the session table out. Defaults to 5
            minutes.
        master_data: True for a table with settings by tenant, or an existing one. Defaults to none.
        realtime: True for an API that pushes notifications to users, or an existing one.
            Defaults to none.
        monitoring: When the alarms ring; True for the usual thresholds, False for neither
            alarms nor dashboard, such as in an environment that nobody is called for. Defaults
            to True.
        nested_alarms: Whether the alarms of the modules are in nested stacks, which count as one of the
            500 resources of the stack each: for more than some 26 modules. Defaults to False.
        heal_every: How often the service looks for commands that nobody has finished, and
            finishes them: from 1 minute to 12 hours. None: only an operator does, with ``cqrs
            reconcile``. Defaults to 5 minutes.
        workflow_type: Standard, or express for cheap and short. Defaults to standard.
        cors_origins: Origins of web pages that may call the API. Defaults to none.
        alarm_emails: Addresses that alarms are sent to. Defaults to none.
        password_auth: Whether users may sign in by sending the password itself, as curl
            does. By default they prove that they know it (SRP).
        identity: Users from another stack. Defaults to a new user pool.
        authorizer: What decides instead of a user pool, such as an ``HttpJwtAuthorizer`` for
            another issuer; the stack then has no users of its own. The variables
            ``TENANT_CLAIM``, ``ROLES_CLAIM``, ``USER_CLAIM`` and ``GROUPS_CLAIM`` in
            ``environment`` tell what that issuer calls its claims. Defaults to the user pool.
        tenant_sessions: Least privilege by tenant: whether the api function reaches rows and large
            attributes in sessions of a role that is limited to the tenant of the request. One
            call of STS for each tenant, hour and instance. An api function that is brought along
            has to set ``TENANT_ROLE_ARN`` by itself, to ``functions.tenant_sessions.role``'s.
            Defaults to False: the library alone keeps tenants apart.
        notifications: Topics and queue from another stack. Defaults to new ones.
        table_outputs: Whether the names of the modules' tables are outputs of the stack. Defaults to
            True where that makes no more than 200 outputs, as many as a stack may have, and else to
            False.
        api: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        stream: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        worker: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        notifier: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        operator: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        architecture: Processor of the functions and their layers. Defaults to ARM64.
        python_runtime: Their Python. Defaults to the Python that synthesizes.
        log_retention: How long logs are kept. Defaults to 1 month.
        removal_policy: What happens to whatever holds data when it leaves the stack. RETAIN
            keeps it and protects it from deletion; DESTROY turns both off, for environments
            that are thrown away. Defaults to RETAIN.
        env: Account and region. Defaults to those of the CLI's credentials.
        description: What CloudFormation shows beside the stack. Defaults to nothing.
        tags: Tags of every resource. Defaults to none.
        termination_protection: Whether the stack itself is protected from deletion. Defaults to
            False.

    Raises:
        InvalidPropsError: A name, folder or combination cannot be deployed, or there is more of
            something than AWS takes.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        app_name: str,
        env_name: str = "dev",
        modules: Sequence[CqrsModule],
        code: str | Path | lambda_.Code,
        handler: str = "main.app",
        dependencies: str | Path | None = None,
        runtime_layer: lambda_.ILayerVersion | None = None,
        environment: Mapping[str, str] | None = None,
        read_your_writes: Duration | None = Duration.minutes(5),  # noqa: B008 - immutable
        master_data: MasterDataTable | bool = False,
        realtime: RealtimeApi | bool = False,
        monitoring: AlarmThresholds | bool = True,
        nested_alarms: bool = False,
        heal_every: Duration | None = Duration.minutes(5),  # noqa: B008 - immutable
        workflow_type: WorkflowType = WorkflowType.STANDARD,
        cors_origins: Sequence[str] = (),
        alarm_emails: Sequence[str] = (),
        password_auth: bool = False,
        identity: Identity | None = None,
        authorizer: apigatewayv2.IHttpRouteAuthorizer | None = None,
        tenant_sessions: bool = False,
        notifications: Notifications | None = None,
        table_outputs: bool | None = None,
        api: FunctionOptions | lambda_.IFunction | None = None,
        stream: FunctionOptions | lambda_.IFunction | None = None,
        worker: FunctionOptions | lambda_.IFunction | None = None,
        notifier: FunctionOptions | lambda_.IFunction | None = None,
        operator: FunctionOptions | lambda_.IFunction | None = None,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        python_runtime: lambda_.Runtime | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        env: Environment | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        termination_protection: bool | None = None,
    ) -> None:
        check_stack_texts(description, tags)
        super().__init__(
            scope,
            construct_id,
            env=env,
            description=description,
            tags=tags,
            termination_protection=termination_protection,
            # Line breaks and spaces are a third of a large template.
            suppress_template_indentation=nested_alarms or None,
        )
        check_names(app_name, env_name, modules)
        if identity is not None:
            refuse_props_of_brought("identity", password_auth=password_auth)
        if authorizer is not None:
            _check_authorizer(identity, password_auth=password_auth, realtime=realtime)
        if notifications is not None:
            refuse_props_of_brought("notifications", alarm_emails=alarm_emails or None)
        self._app_name = app_name
        self._env_name = env_name
        self._removal_policy = removal_policy
        defaults = FunctionDefaults(
            architecture=architecture,
            python_runtime=python_runtime,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.tables = {module.name: module.table or self._new_table(module) for module in modules}
        self.session_table = self._new_session_table(read_your_writes) if read_your_writes else None
        self.master_data_table = _given_or(master_data, self._new_master_data_table)
        self.attributes_bucket = AttributesBucket(self, "Attributes", removal_policy=removal_policy)
        self.notifications = notifications or Notifications(
            self, "Notifications", alarm_emails=alarm_emails, removal_policy=removal_policy
        )
        self._identity = identity
        if identity is None and authorizer is None:
            self._identity = Identity(
                self, "Identity", password_auth=password_auth, removal_policy=removal_policy
            )
        self.functions = CqrsFunctions(
            self,
            "Functions",
            code=code_asset(self, code, handler=handler),
            handler=handler,
            app_name=app_name,
            env_name=env_name,
            defaults=defaults,
            layers=[runtime_layer or self._new_runtime_layer(defaults)],
            dependency_layers=[self._new_dependencies_layer(dependencies, defaults)] if dependencies else [],
            environment=environment,
            tenant_sessions=tenant_sessions,
            api=api,
            stream=stream,
            worker=worker,
            notifier=notifier,
            operator=operator,
        )
        self.workflow = CommandWorkflow(
            self,
            "Workflow",
            worker=self.functions.worker,
            type=workflow_type,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.failed_records = FailedRecords(self, "FailedRecords", removal_policy=removal_policy)
        self.healing = Healing(self, "Healing", heal_every=heal_every) if heal_every else None
        self.realtime = _given_or(realtime, lambda: self._new_realtime_api(environment or {}))
        parts: list[Part | None] = [
            *self.tables.values(),
            self.notifications,
            self.master_data_table,
            self.session_table,
            self.attributes_bucket,
            self._identity,
            self.workflow,
            self.failed_records,
            self.realtime,
            self.healing,
        ]
        for part in parts:
            if part is not None:
                part.connect(self.functions)
        self.notifications.add_consumer(self.functions.notifier)
        streams = Construct(self, "Streams")
        self.streams = {
            name: StreamProcessing(
                streams,
                name,
                table=table,
                function=self.functions.stream,
                on_failure_bucket=self.failed_records.bucket,
            )
            for name, table in self.tables.items()
        }
        self.api = CqrsApi(
            self,
            "Api",
            function=self.functions.api,
            identity=self._identity,
            authorizer=authorizer,
            user_claim=(environment or {}).get(Env.USER_CLAIM) or None,
            cors_origins=cors_origins,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self._nested_alarms = nested_alarms
        self.monitoring = (
            None if monitoring is False else self._new_monitoring(monitoring, nested_alarms=nested_alarms)
        )
        self._add_outputs(table_outputs)
        self.functions.check_quotas()
        if len(self.tables) > FEW_MODULES:
            self._check_stack(whole=False)
        check_at_synth(self, lambda: self._check_stack(whole=True))

    @property
    def identity(self) -> Identity:
        """The users.

        Raises:
            InvalidPropsError: An ``authorizer`` was given in their place.

        """
        if self._identity is None:
            msg = "identity is not there: the stack has an authorizer, whose issuer knows the users"
            raise InvalidPropsError(msg)
        return self._identity

    def _new_table(self, module: CqrsModule) -> CqrsTable:
        return CqrsTable(
            self,
            module.name,
            module_name=module.name,
            table_name_prefix=naming.table_name_prefix(self._env_name, self._app_name, module.name),
            processing=module.processing,
            data_sync=module.data_sync,
            removal_policy=self._removal_policy,
        )

    def _new_session_table(self, read_your_writes: Duration) -> SessionTable:
        return SessionTable(
            self,
            "Sessions",
            read_your_writes=read_your_writes,
            table_name=naming.session_table_name(self._env_name, self._app_name),
            removal_policy=self._removal_policy,
        )

    def _new_master_data_table(self) -> MasterDataTable:
        return MasterDataTable(
            self,
            "MasterData",
            table_name=naming.master_data_table_name(self._env_name, self._app_name),
            removal_policy=self._removal_policy,
        )

    def _new_runtime_layer(self, defaults: FunctionDefaults) -> lambda_.ILayerVersion:
        return RuntimeLayer(
            self, "Runtime", architecture=defaults.architecture, python_runtime=defaults.python_runtime
        ).layer_version

    def _new_dependencies_layer(
        self, requirements: str | Path, defaults: FunctionDefaults
    ) -> lambda_.ILayerVersion:
        return DependenciesLayer(
            self,
            "Dependencies",
            requirements=requirements,
            architecture=defaults.architecture,
            python_runtime=defaults.python_runtime,
        ).layer_version

    def _new_realtime_api(self, environment: Mapping[str, str]) -> RealtimeApi:
        # Which roles cross tenants is what the functions are told.
        names = environment.get(Env.CROSS_TENANT_ROLES, "").split(",")
        roles = [name.strip() for name in names if name.strip()]
        return RealtimeApi(
            self,
            "Realtime",
            identity=self.identity,
            cross_tenant_roles=roles or DEFAULT_CROSS_TENANT_ROLES,
            tenant_claim=environment.get(Env.TENANT_CLAIM) or Claim.TENANT,
            roles_claim=environment.get(Env.ROLES_CLAIM) or Claim.ROLES,
            user_claim=environment.get(Env.USER_CLAIM) or Claim.USER,
        )

    def _new_monitoring(
        self, thresholds: AlarmThresholds | Literal[True], *, nested_alarms: bool
    ) -> CqrsMonitoring:
        functions = self.functions
        return CqrsMonitoring(
            self,
            "Monitoring",
            app_name=self._app_name,
            env_name=self._env_name,
            notifications=self.notifications,
            tables=list(self.tables.values()),
            streams=list(self.streams.values()),
            workflow=self.workflow,
            functions={
                "api": functions.api,
                "stream": functions.stream,
                "worker": functions.worker,
                "notifier": functions.notifier,
            },
            api=self.api,
            healing=self.healing,
            thresholds=None if thresholds is True else thresholds,
            nested_alarms=nested_alarms,
        )

    def _check_stack(self, *, whole: bool) -> None:
        """Refuse more than CloudFormation takes, at first and when the stack is whole."""
        check_stack(
            self,
            self.functions.roles,
            watched=self.monitoring is not None,
            nested=self._nested_alarms,
            whole=whole,
        )

    def _add_outputs(self, table_outputs: bool | None) -> None:  # noqa: FBT001 - a prop
        """Add what a client, a test or an operator needs to find the service."""
        outputs = {
            "ApiUrl": self.api.url,
            "StateMachineArn": self.workflow.state_machine.state_machine_arn,
            "TopicArn": self.notifications.topic.topic_arn,
            "AlarmTopicArn": self.notifications.alarm_topic.topic_arn,
            "NotificationQueueUrl": self.notifications.queue.queue_url,
            "OperatorFunctionName": self.functions.operator.function_name,
            "AttributesBucketName": self.attributes_bucket.bucket.bucket_name,
        }
        if self._identity is not None:
            outputs["UserPoolId"] = self._identity.user_pool.user_pool_id
            outputs["UserPoolClientId"] = self._identity.user_pool_client.user_pool_client_id
        if self.session_table is not None:
            outputs["SessionTableName"] = self.session_table.table.table_name
        if self.master_data_table is not None:
            outputs["MasterDataTableName"] = self.master_data_table.table.table_name
        if self.realtime is not None:
            outputs["RealtimeHttpEndpoint"] = self.realtime.http_endpoint
            outputs["RealtimeWebSocketEndpoint"] = self.realtime.websocket_endpoint
        of_tables = self._outputs_of_tables()
        fit = len(outputs) + len(of_tables) <= MOST_OUTPUTS
        if fit if table_outputs is None else table_outputs:
            outputs.update(of_tables)
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)

    def _outputs_of_tables(self) -> dict[str, str]:
        outputs: dict[str, str] = {}
        for name, table in self.tables.items():
            prefix = output_prefix(name)
            outputs[f"{prefix}CommandTableName"] = table.command_table.table_name
            outputs[f"{prefix}DataTableName"] = table.data_table.table_name
            outputs[f"{prefix}HistoryTableName"] = table.history_table.table_name
            if table.sync_table is not None:
                outputs[f"{prefix}SyncTableName"] = table.sync_table.table_name
        return outputs


def _given_or(given: _Made | bool, make: Callable[[], _Made]) -> _Made | None:  # noqa: FBT001 - a prop
    """Give the part that was brought; for True a new one; for False none."""
    if isinstance(given, bool):
        return make() if given else None
    return given


def _check_authorizer(
    identity: Identity | None, *, password_auth: bool, realtime: RealtimeApi | bool
) -> None:
    """Refuse what needs users of this stack where an authorizer takes their place."""
    if identity is not None:
        msg = f"identity and authorizer exclude each other, got both ({identity.node.path}); give one"
        raise InvalidPropsError(msg)
    refuse_props_of_brought("authorizer", password_auth=password_auth)
    if realtime is True:
        msg = (
            "realtime must be a RealtimeApi where authorizer is given, got True; its users are the "
            "issuer's: make one with an event_api that knows that issuer"
        )
        raise InvalidPropsError(msg)
