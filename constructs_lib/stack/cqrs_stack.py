"""A whole service in one stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.api.cqrs_api import CqrsApi
from constructs_lib.api.identity import Identity
from constructs_lib.functions.cqrs_functions import CqrsFunctions
from constructs_lib.layers.dependencies_layer import DependenciesLayer
from constructs_lib.layers.runtime_layer import RuntimeLayer
from constructs_lib.messaging.notifications import Notifications
from constructs_lib.pipeline.command_workflow import CommandWorkflow, WorkflowType
from constructs_lib.pipeline.failed_records import failed_records_bucket
from constructs_lib.pipeline.stream_processing import StreamProcessing
from constructs_lib.props.checks import refuse_props_of_brought
from constructs_lib.props.strict_props import strict_props
from constructs_lib.stack.cqrs_stack_outputs import add_outputs
from constructs_lib.stack.cqrs_stack_props import check_names, code_asset
from constructs_lib.stack.cqrs_stack_realtime import realtime_api
from constructs_lib.stack.cqrs_stack_tables import StackTables
from constructs_lib.tables.attributes_bucket import AttributesBucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from constructs_lib.functions.function_options import FunctionOptions
    from constructs_lib.messaging.realtime_api import RealtimeApi
    from constructs_lib.stack.cqrs_module import CqrsModule
    from constructs_lib.tables.master_data_table import MasterDataTable

__all__ = ["CqrsStack"]


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
        modules: The service's modules.
        code: Folder with the Lambda code, or the code.
        handler: Where in ``code`` the `CqrsApp` of the runtime is.
        dependencies: Lock file of what ``code`` needs, for the functions that run it.
            Defaults to nothing besides the runtime.
        runtime_layer: An existing layer with the runtime. Defaults to a new `RuntimeLayer`.
        environment: Variables of your code, for the functions api, worker and operator. For
            what is secret there is ``functions.add_secret``.
        read_your_writes: How long a user's own write is looked for before the pipeline
            has processed it. None switches it off, and leaves the session table out.
        master_data: True for a table with settings by tenant, or an existing one. Defaults to none.
        realtime: True for an API that pushes notifications to users, or an existing one.
            Defaults to none.
        workflow_type: Standard, or express for cheap and short.
        cors_origins: Origins of web pages that may call the API. Defaults to none.
        alarm_emails: Addresses that alarms are sent to.
        password_auth: Whether users may sign in by sending the password itself, as curl
            does. By default they prove that they know it (SRP).
        identity: Users from another stack. Defaults to a new user pool.
        notifications: Topics and queue from another stack. Defaults to new ones.
        api: An existing function, or the size of a new one.
        stream: An existing function, or the size of a new one.
        worker: An existing function, or the size of a new one.
        notifier: An existing function, or the size of a new one.
        operator: An existing function, or the size of a new one.
        architecture: Processor of the functions and their layers.
        python_runtime: Their Python. Defaults to the Python that synthesizes.
        log_retention: How long logs are kept.
        removal_policy: What happens to whatever holds data when it leaves the stack.
            RETAIN keeps it and protects it from deletion; DESTROY turns both off, for
            environments that are thrown away.
        env: Account and region. Defaults to those of the CLI's credentials.
        description: What CloudFormation shows beside the stack.
        tags: Tags of every resource.
        termination_protection: Whether the stack itself is protected from deletion.

    Raises:
        InvalidPropsError: A name, folder or combination cannot be deployed.

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
        workflow_type: WorkflowType = WorkflowType.STANDARD,
        cors_origins: Sequence[str] = (),
        alarm_emails: Sequence[str] = (),
        password_auth: bool = False,
        identity: Identity | None = None,
        notifications: Notifications | None = None,
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
        super().__init__(
            scope,
            construct_id,
            env=env,
            description=description,
            tags=tags,
            termination_protection=termination_protection,
        )
        check_names(app_name, env_name, modules)
        if identity is not None:
            refuse_props_of_brought("identity", password_auth=password_auth)
        if notifications is not None:
            refuse_props_of_brought("notifications", alarm_emails=alarm_emails or None)
        tables = StackTables(self, env_name=env_name, app_name=app_name, removal_policy=removal_policy)
        self.tables = tables.of_modules(modules)
        self.session_table = tables.sessions() if read_your_writes else None
        self.master_data_table = tables.master_data(master_data)
        self.attributes_bucket = AttributesBucket(self, "Attributes", removal_policy=removal_policy)
        self.notifications = notifications or Notifications(
            self, "Notifications", alarm_emails=alarm_emails, removal_policy=removal_policy
        )
        self.identity = identity or Identity(
            self, "Identity", password_auth=password_auth, removal_policy=removal_policy
        )
        layers = [
            runtime_layer
            or RuntimeLayer(
                self, "Runtime", architecture=architecture, python_runtime=python_runtime
            ).layer_version
        ]
        dependency_layers = []
        if dependencies:
            packages = DependenciesLayer(
                self,
                "Dependencies",
                requirements=dependencies,
                architecture=architecture,
                python_runtime=python_runtime,
            )
            dependency_layers = [packages.layer_version]
        self.functions = CqrsFunctions(
            self,
            "Functions",
            code=code_asset(code),
            handler=handler,
            app_name=app_name,
            env_name=env_name,
            tables=list(self.tables.values()),
            notifications=self.notifications,
            session_table=self.session_table,
            master_data_table=self.master_data_table,
            read_your_writes=read_your_writes,
            attributes_bucket=self.attributes_bucket,
            identity=self.identity,
            layers=layers,
            dependency_layers=dependency_layers,
            environment=environment,
            api=api,
            stream=stream,
            worker=worker,
            notifier=notifier,
            operator=operator,
            architecture=architecture,
            python_runtime=python_runtime,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.workflow = CommandWorkflow(
            self,
            "Workflow",
            worker=self.functions.worker,
            type=workflow_type,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.functions.connect_workflow(self.workflow)
        self.failed_records = failed_records_bucket(self, "FailedRecords", removal_policy)
        self.functions.connect_failed_records(self.failed_records)
        streams = Construct(self, "Streams")
        self.streams = {
            name: StreamProcessing(
                streams,
                name,
                table=table,
                function=self.functions.stream,
                on_failure_bucket=self.failed_records,
            )
            for name, table in self.tables.items()
        }
        self.notifications.add_consumer(self.functions.notifier)
        self.realtime = realtime_api(self, realtime, identity=self.identity, environment=environment)
        if self.realtime is not None:
            self.functions.connect_realtime(self.realtime)
        self.api = CqrsApi(
            self,
            "Api",
            function=self.functions.api,
            identity=self.identity,
            cors_origins=cors_origins,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        add_outputs(self)
