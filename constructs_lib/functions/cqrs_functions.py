"""The functions of the service, from one code asset, each with a role of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.functions.cqrs_function import CqrsFunction
from constructs_lib.functions.function_environment import (
    check_own_variables,
    identity_environment,
    session_environment,
)
from constructs_lib.functions.function_options import TIMEOUTS, FunctionOptions
from constructs_lib.functions.function_permissions import give_permissions
from constructs_lib.pipeline.failed_records import allow_replay
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.processing import Processing
from runtime.contract import Env, FunctionKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import Duration
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_secretsmanager as secretsmanager

    from constructs_lib.api.identity import Identity
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.messaging.realtime_api import RealtimeApi
    from constructs_lib.pipeline.command_workflow import CommandWorkflow
    from constructs_lib.tables.attributes_bucket import AttributesBucket
    from constructs_lib.tables.cqrs_table import CqrsTable
    from constructs_lib.tables.master_data_table import MasterDataTable
    from constructs_lib.tables.session_table import SessionTable

__all__ = ["CqrsFunctions"]


class CqrsFunctions(Construct):
    """The functions api, stream, worker, notifier and operator, from one code asset.

    Each has its own role and environment: api publishes and reads, stream starts the
    processing, worker applies commands and runs data sync handlers, notifier tells
    clients. None may do what another one does for it. The code's own needs, such as a
    database, are given to api, worker and operator, which run it. operator is for people:
    nothing invokes it. Whoever may, repairs what all tenants have, with worker's network.

    Example:
        >>> functions = CqrsFunctions(
        ...     self, "Functions", code=code, app_name="shop", tables=[orders], notifications=notifications
        ... )
        >>> database.connections.allow_default_port_from(functions.worker)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        code: Code with a `CqrsApp` of the runtime.
        handler: Where in ``code`` the `CqrsApp` is.
        app_name: Name of the service; the second part of conventional table names.
        env_name: Stage: "local", "dev", "stg" or "prod"; the first part of those names.
        tables: The modules' tables.
        notifications: Topics and queue.
        session_table: Makes users see their own writes, with ``read_your_writes``.
        read_your_writes: How long a user's own write is looked for before the pipeline has
            processed it. Defaults to 5 minutes where ``session_table`` is given.
        master_data_table: Says how long rows are kept. Defaults to none: for ever.
        attributes_bucket: Holds large attributes. Defaults to none: items up to 400 KB.
        identity: Whose ids the api function is told. Defaults to none.
        layers: Layers of all of them, such as a `RuntimeLayer`'s.
        dependency_layers: Layers of api, worker and operator only, with what your code needs.
        environment: Variables of your code, for the same three. Secrets: `add_secret`.
        api: An existing function, or the size of a new one.
        stream: An existing function, or the size of a new one.
        worker: An existing function, or the size of a new one.
        notifier: An existing function, or the size of a new one.
        operator: An existing function, or the size of a new one. Existing ones get their
            permissions here; code and environment are their own.
        architecture: Processor of the functions.
        python_runtime: Their Python. Defaults to the Python that synthesizes.
        log_retention: How long their logs are kept.
        removal_policy: What happens to their log groups when they leave the stack.

    Raises:
        InvalidPropsError: A variable is one that the constructs set, or
            ``read_your_writes`` has no session table.

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
        tables: Sequence[CqrsTable],
        notifications: Notifications,
        session_table: SessionTable | None = None,
        read_your_writes: Duration | None = None,
        master_data_table: MasterDataTable | None = None,
        attributes_bucket: AttributesBucket | None = None,
        identity: Identity | None = None,
        layers: Sequence[lambda_.ILayerVersion] = (),
        dependency_layers: Sequence[lambda_.ILayerVersion] = (),
        environment: Mapping[str, str] | None = None,
        api: FunctionOptions | lambda_.IFunction | None = None,
        stream: FunctionOptions | lambda_.IFunction | None = None,
        worker: FunctionOptions | lambda_.IFunction | None = None,
        notifier: FunctionOptions | lambda_.IFunction | None = None,
        operator: FunctionOptions | lambda_.IFunction | None = None,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        python_runtime: lambda_.Runtime | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        own = dict(environment or {})
        check_own_variables("environment", own)
        common = {
            Env.NODE_ENV: env_name,
            Env.APP_NAME: app_name,
            Env.MODULES: Stack.of(self).to_json_string(
                {
                    table.module_name: table.module_settings_in(env_name=env_name, app_name=app_name)
                    for table in tables
                }
            ),
        }
        topic = {Env.SNS_TOPIC_ARN: notifications.topic.topic_arn}
        bucket = {Env.S3_BUCKET_NAME: attributes_bucket.bucket.bucket_name} if attributes_bucket else {}
        settings = (
            {Env.MASTER_DATA_TABLE_NAME: master_data_table.table.table_name} if master_data_table else {}
        )
        inline = [table for table in tables if table.processing is Processing.INLINE]

        def function(
            kind: str,
            given: FunctionOptions | lambda_.IFunction | None,
            needs: Mapping[str, str],
            *,
            runs_own_code: bool = False,
        ) -> lambda_.IFunction:
            if given is not None and not isinstance(given, FunctionOptions):
                return given
            options = given or FunctionOptions()
            return CqrsFunction(
                self,
                kind.capitalize(),
                code=code,
                handler=handler,
                layers=[*layers, *(dependency_layers if runs_own_code else ())],
                environment={**common, Env.FUNCTION: kind, **needs, **(own if runs_own_code else {})},
                memory_size=options.memory_size,
                timeout=options.timeout or TIMEOUTS[kind],
                reserved_concurrency=options.reserved_concurrency,
                architecture=architecture,
                python_runtime=python_runtime,
                description=f"{app_name} {env_name}: {kind}",
                log_retention=log_retention,
                removal_policy=removal_policy,
            ).function

        self.api = function(
            FunctionKind.API,
            api,
            {
                **topic,
                **bucket,
                **settings,
                **session_environment(session_table, read_your_writes),
                **identity_environment(identity),
            },
            runs_own_code=True,
        )
        self.stream = function(FunctionKind.STREAM, stream, {**topic, **settings} if inline else {})
        self.worker = function(
            FunctionKind.WORKER,
            worker,
            {**topic, **bucket, **settings, Env.SNS_ALARM_TOPIC_ARN: notifications.alarm_topic.topic_arn},
            runs_own_code=True,
        )
        self.notifier = function(FunctionKind.NOTIFIER, notifier, {})
        self.operator = function(
            FunctionKind.OPERATOR,
            operator,
            {
                **topic,
                **bucket,
                **settings,
                Env.NOTIFICATION_QUEUE_URL: notifications.queue.queue_url,
                Env.DEAD_LETTER_QUEUE_URL: notifications.dead_letter_queue.queue_url,
            },
            runs_own_code=True,
        )
        self._brought = {id(given) for given in (api, stream, worker, notifier, operator)}

        give_permissions(
            self,
            tables=tables,
            notifications=notifications,
            session_table=session_table,
            master_data_table=master_data_table,
            attributes_bucket=attributes_bucket,
        )

    def connect_workflow(self, workflow: CommandWorkflow) -> None:
        """Let api, stream and operator start executions of ``workflow``, whose worker is `worker`."""
        for function in (self.api, self.stream, self.operator):
            workflow.grants.start(function)
            self._set(function, Env.SFN_COMMAND_ARN, workflow.state_machine.state_machine_arn)
        workflow.grants.inspect(self.operator)

    def connect_failed_records(self, bucket: s3.IBucket) -> None:
        """Let operator look at, and send again, the stream records that are kept in ``bucket``."""
        allow_replay(self.operator, bucket)
        self._set(self.operator, Env.FAILED_RECORDS_BUCKET_NAME, bucket.bucket_name)

    def connect_realtime(self, realtime: RealtimeApi) -> None:
        """Let notifier push to the users of ``realtime``."""
        realtime.grants.publish(self.notifier)
        self._set(self.notifier, Env.APPSYNC_EVENTS_ENDPOINT, realtime.http_endpoint)
        self._set(self.notifier, Env.APPSYNC_EVENTS_NAMESPACE, realtime.namespace)

    def add_secret(self, variable: str, secret: secretsmanager.ISecret) -> None:
        """Let your code, in api, worker and operator, read ``secret``.

        Args:
            variable: Environment variable that gets the secret's ARN, never its value.
            secret: What may be read.

        Raises:
            InvalidPropsError: ``variable`` is one that the constructs set.

        """
        check_own_variables("variable", [variable])
        for function in (self.api, self.worker, self.operator):
            secret.grant_read(function)
            self._set(function, variable, secret.secret_arn)

    def _set(self, function: lambda_.IFunction, variable: str, value: str) -> None:
        if id(function) not in self._brought and isinstance(function, lambda_.Function):
            function.add_environment(variable, value)
