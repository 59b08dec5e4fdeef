"""A whole service in one stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from aws_cdk import CfnOutput, Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.api.cqrs_api import CqrsApi
from constructs_lib.api.identity import Identity
from constructs_lib.errors import InvalidPropsError
from constructs_lib.features.sequences import Sequences
from constructs_lib.functions.code_asset import code_asset
from constructs_lib.functions.code_check import CodeCheck
from constructs_lib.functions.cqrs_functions import CqrsFunctions
from constructs_lib.functions.function_defaults import FunctionDefaults
from constructs_lib.functions.function_options import FunctionOptions
from constructs_lib.functions.gateway_timeout import check_api_timeout
from constructs_lib.layers.dependencies_layer import DependenciesLayer
from constructs_lib.layers.runtime_layer import RuntimeLayer
from constructs_lib.messaging.notifications import Notifications
from constructs_lib.messaging.realtime_api import DEFAULT_CROSS_TENANT_ROLES, RealtimeApi
from constructs_lib.monitoring.cqrs_monitoring import CqrsMonitoring
from constructs_lib.pipeline.command_workflow import CommandWorkflow, WorkflowType
from constructs_lib.pipeline.event_processing import EventProcessing
from constructs_lib.pipeline.failed_records import FailedRecords
from constructs_lib.pipeline.healing import Healing
from constructs_lib.pipeline.stream_processing import StreamProcessing
from constructs_lib.props.checks import check_table_key, refuse_props_of_brought
from constructs_lib.props.strict_props import strict_props
from constructs_lib.props.taken_names import take_name
from constructs_lib.quotas.at_synth import check_at_synth
from constructs_lib.quotas.role_policies import FEW_MODULES
from constructs_lib.quotas.stack_size import MOST_OUTPUTS
from constructs_lib.stack.cqrs_module import CqrsModule
from constructs_lib.stack.cqrs_stack_features import (
    allow_features,
    check_features,
    master_table_props,
    modules_with_features,
)
from constructs_lib.stack.event_module import EventModule
from constructs_lib.stack.modules_of import check_declared
from constructs_lib.stack.names import check_names, check_stack_texts, output_prefix
from constructs_lib.stack.of_commands import has_commands, refuse_of_commands
from constructs_lib.stack.quotas import check_stack
from constructs_lib.stack.retained_data import RetainedData
from constructs_lib.stack.stack_keywords import stack_keywords
from constructs_lib.stack.taken_back import TakenBack
from constructs_lib.tables import naming
from constructs_lib.tables.attributes_bucket import AttributesBucket
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.event_store_table import EventStoreTable
from constructs_lib.tables.master_data_table import MasterDataTable
from constructs_lib.tables.session_table import SessionTable
from runtime.contract import Claim, Env, FunctionKind, metric_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    from aws_cdk import IPropertyInjector, IStackSynthesizer, PermissionsBoundary
    from aws_cdk import aws_apigatewayv2 as apigatewayv2
    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_kms as kms

    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
    from constructs_lib.parts import Part

__all__ = ["CqrsStack"]

_Made = TypeVar("_Made")
_OTHER_STACK: Final = (
    "give one of them another id or stack_name, or another env=Environment(account=..., region=...)"
)
_READ_YOUR_WRITES: Final = Duration.minutes(5)
_HEAL_EVERY: Final = Duration.minutes(5)


class CqrsStack(Stack):
    """Everything that a service needs, from its HTTP API to its notifications.

    Tables, stream, workflow, functions, topics, queue, users and API, wired with least
    privilege. Each part is a construct of its own and a public attribute; where a service
    outgrows this composition it composes the same constructs itself.

    Where all modules are of events, what only a command passes through is left out: the functions
    stream, worker and notifier, workflow, session table and `Healing`, topic and queue of statuses.

    Example:
        >>> CqrsStack(app, "Shop", app_name="shop", modules=[CqrsModule("order")], code="service")

    Args:
        scope: The app, or a stage.
        construct_id: Id within ``scope``, and the name of the stack.
        app_name: Name of the service; the second part of the tables' names.
        env_name: Name of the environment, such as "prod" or "pr-42"; the first part of those
            names. "local" is for databases that are made for a test: no warning of passwords in
            ``environment``. Defaults to "dev".
        modules: The service's modules, of commands (`CqrsModule`) and of events (`EventModule`).
        code: Folder with the Lambda code, zip file of it, or the code. A relative path is relative to
            the working directory. Of a folder is left out what has no business in Lambda: hidden
            files, caches, tests, virtual environments, ``node_modules``, ``cdk.out``.
        handler: Where in ``code`` the `CqrsApp` of the runtime is. Defaults to "main.app".
        dependencies: Lock file of what ``code`` needs, for all functions.
            Defaults to nothing besides the runtime.
        runtime_layer: An existing layer with the runtime. Defaults to a new `RuntimeLayer`.
        environment: Variables of your code, for all functions, as all of them import it. For
            what is secret there is ``functions.add_secret``. Defaults to none.
        vpc: The VPC that the functions run in, such as that of a database, but for those whose
            `FunctionOptions` say otherwise, and existing ones. Synthesis says which endpoints they
            need where their subnets have no way out. Defaults to none.
        vpc_subnets: Which subnets of ``vpc``, private or isolated. Defaults to the private ones, or
            the isolated ones where there are no private ones.
        security_groups: What guards the functions in ``vpc``, all alike. Defaults to a new group for
            each, which lets everything out and nothing in.
        read_your_writes: How long a user's own write is looked for before the pipeline has
            processed it. None switches it off, and leaves the session table out. Defaults to 5
            minutes.
        session_table: An existing session table; how long it remembers is its own
            ``read_your_writes``. Defaults to a new one.
        attributes_bucket: An existing bucket for large attributes. Defaults to a new one.
        failed_records: An existing bucket for stream records that could not be processed.
            Defaults to a new one.
        master_data: True for a table with settings by tenant, or an existing one. Defaults to none.
        sequences: True for a table that numbers are counted in, for the runtime's ``SequenceModule``, or
            an existing one. Defaults to none.
        tenants: True for the module ``tenant``, of the runtime's ``TenantModule``, or its existing tables.
            Defaults to none.
        master: True for the module ``master``, of the runtime's ``MasterModule``, or its existing tables.
            The table with settings by tenant, ``master_data``, is its data table. Defaults to none.
        features: Constructs of your own features: whatever has ``connect(functions)``, see `Part`. Defaults
            to none.
        realtime: True for an API that pushes notifications to users, or an existing one.
            Defaults to none.
        monitoring: When the alarms ring; True for the usual thresholds, False for neither
            alarms nor dashboard, such as in an environment that nobody is called for. Defaults
            to True.
        nested_alarms: Whether the alarms of the modules are in nested stacks, which count as one of the
            500 resources of the stack each: for more than some 26 modules with ``monitoring``. Defaults to
            False.
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
            call of STS for each tenant, hour and instance.
            Defaults to False: the library alone keeps tenants apart.
        notifications: Topics and queue from another stack, such as ``first.notifications`` of another
            `CqrsStack`. The first service that has them reads their queue; every other one gets a
            queue of its own. Defaults to new ones.
        table_outputs: Whether the names of the modules' tables are outputs of the stack. Defaults to
            True where that makes no more than 200 outputs, as many as a stack may have, and else to
            False.
        api: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        snap_start: Whether the api function starts from a snapshot, for Python 3.12 or newer. AWS bills the
            snapshot by the hour, and each start: ``cqrs cost --snap-start``; a deployment of new code takes
            minutes longer. Defaults to False.
        stream: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        worker: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        notifier: An existing function, or the size of a new one. Defaults to a new one of the
            default size.
        projector: An existing function, or the size of a new one, where a module has event handlers, which
            it runs. Defaults to a new one of the default size.
        operator: An existing function, or the size of a new one. Defaults to a new one of the
            default size. Existing ones get their permissions and variables, other than those that
            they set themselves; code, layers and network are their own.
        architecture: Processor of the functions and their layers. Defaults to ARM64.
        python_runtime: Their Python. Defaults to the Python that synthesizes.
        log_retention: How long logs are kept. Defaults to 1 month.
        removal_policy: What happens to whatever holds data when it leaves the stack. RETAIN
            keeps it and protects it from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps it without
            protection, so that a first deployment that fails takes back all that it made; DESTROY
            turns both off, for environments that are thrown away: nothing is left, objects in
            buckets included. Defaults to RETAIN.
        tracing: Whether X-Ray traces a sample of what functions and workflow do: the first call of each
            second, and 5 % of the others, at $5 a million traces. Defaults to True.
        check_code: Whether ``modules`` and ``code`` are compared: with ``cqrs.toml`` beside the
            handler's file, where there is one, and by a `CodeCheck` before each deployment ends, which
            runs the functions. Defaults to True.
        retained: What a former stack has left of the same service, to be used in place of new
            tables, buckets and users. Defaults to nothing.
        encryption_key: Customer managed key of all that the stack keeps: tables, buckets, topics,
            queues, log groups and the functions' variables; ``env`` has to say the region. Its
            policy gets what AWS services need; that of an imported key is its owner's, and a
            warning says what it has to allow. Executions of a workflow, users and what is brought
            along have keys of their own. Defaults to the keys that AWS owns, and a new one for the
            topics.
        env: Account and region. Defaults to those of the CLI's credentials.
        description: What CloudFormation shows beside the stack. Defaults to nothing.
        tags: Tags of every resource. Defaults to none.
        termination_protection: Whether the stack itself is protected from deletion. Defaults to
            False.
        stack_name: Name of the stack in CloudFormation. Defaults to one made of ``construct_id``
            and of what it is in.
        synthesizer: How assets and roles of the deployment are found, such as for a bootstrap with
            another qualifier. Defaults to CDK's.
        permissions_boundary: Boundary of each role that the stack makes. Defaults to none.
        cross_region_references: Whether stacks of other Regions may use what is in this one, and
            the other way round. Defaults to False.
        notification_arns: Topics that CloudFormation tells of the stack's events. Defaults to none.
        analytics_reporting: Whether the template has CDK's metadata. Defaults to what the app says.
        suppress_template_indentation: Whether the template is written without indentation, which
            keeps a large one below 1 MB. Defaults to what the app says.
        property_injectors: What sets properties of CDK's constructs in this stack. Defaults to none.

    Raises:
        InvalidPropsError: A name, folder or combination cannot be deployed, another stack in the app
            makes tables of the same names in the same account and region, or there is more of
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
        modules: Sequence[CqrsModule | EventModule],
        code: str | Path | lambda_.Code,
        handler: str = "main.app",
        dependencies: str | Path | None = None,
        runtime_layer: lambda_.ILayerVersion | None = None,
        environment: Mapping[str, str] | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        read_your_writes: Duration | None = _READ_YOUR_WRITES,
        session_table: SessionTable | None = None,
        attributes_bucket: AttributesBucket | None = None,
        failed_records: FailedRecords | None = None,
        master_data: MasterDataTable | bool = False,
        sequences: Sequences | bool = False,
        tenants: CqrsTable | bool = False,
        master: CqrsTable | bool = False,
        features: Sequence[Part] = (),
        realtime: RealtimeApi | bool = False,
        monitoring: AlarmThresholds | bool = True,
        nested_alarms: bool = False,
        heal_every: Duration | None = _HEAL_EVERY,
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
        projector: FunctionOptions | lambda_.IFunction | None = None,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        python_runtime: lambda_.Runtime | None = None,
        snap_start: bool = False,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        tracing: bool = True,
        check_code: bool = True,
        retained: RetainedData | None = None,
        encryption_key: kms.IKey | None = None,
        env: Environment | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        termination_protection: bool | None = None,
        stack_name: str | None = None,
        synthesizer: IStackSynthesizer | None = None,
        permissions_boundary: PermissionsBoundary | None = None,
        cross_region_references: bool | None = None,
        notification_arns: Sequence[str] | None = None,
        analytics_reporting: bool | None = None,
        suppress_template_indentation: bool | None = None,
        property_injectors: Sequence[IPropertyInjector] | None = None,
    ) -> None:
        check_stack_texts(description, tags)
        # Line breaks and spaces are a third of a large template.
        is_compact = nested_alarms if suppress_template_indentation is None else suppress_template_indentation
        keywords = stack_keywords(
            env=env,
            description=description,
            tags=tags,
            termination_protection=termination_protection,
            stack_name=stack_name,
            synthesizer=synthesizer,
            permissions_boundary=permissions_boundary,
            cross_region_references=cross_region_references,
            notification_arns=notification_arns,
            analytics_reporting=analytics_reporting,
            suppress_template_indentation=is_compact or suppress_template_indentation,
            property_injectors=property_injectors,
        )
        super().__init__(scope, construct_id, **keywords)
        if check_code:
            check_declared(code, handler, modules)
        modules = modules_with_features(modules, tenants=tenants, master=master)
        check_names(app_name, env_name, modules)
        take_name(self, "stack", self.stack_name, hint=_OTHER_STACK)
        self._check_parts(
            modules,
            identity=identity,
            authorizer=authorizer,
            notifications=notifications,
            session_table=session_table,
            attributes_bucket=attributes_bucket,
            failed_records=failed_records,
            master_data=master_data,
            sequences=sequences,
            master=master,
            features=features,
            realtime=realtime,
            retained=retained,
            password_auth=password_auth,
            alarm_emails=alarm_emails,
            read_your_writes=read_your_writes,
            nested_alarms=nested_alarms,
            monitoring=monitoring,
            projector=projector,
        )
        refuse_of_commands(
            modules,
            stream=stream,
            session_table=session_table,
            read_your_writes=None if read_your_writes is _READ_YOUR_WRITES else read_your_writes,
            heal_every=None if heal_every is _HEAL_EVERY else heal_every,
            workflow_type=None if workflow_type == WorkflowType.STANDARD else workflow_type,
            master_data=master_data,
        )
        self._has_commands = has_commands(modules)
        self._tells = self._has_commands or notifier is not None or realtime is not False
        check_table_key(self, encryption_key)
        check_api_timeout(api)
        self._encryption_key = encryption_key
        self._app_name, self._env_name = app_name, env_name
        self._removal_policy = removal_policy
        self._taken_back = TakenBack(
            self, "Retained", data=retained or RetainedData(), encryption_key=encryption_key
        )
        defaults = FunctionDefaults(
            architecture=architecture,
            python_runtime=python_runtime,
            log_retention=log_retention,
            removal_policy=removal_policy,
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            encryption_key=encryption_key,
            tracing=tracing,
        )
        self.master_data_table = self._master_data(given=master_data, master=master)
        self.tables = {m.name: self._table_of(m) for m in modules if isinstance(m, CqrsModule)}
        #: The tables of the modules of events.
        self.event_tables = {m.name: self._event_table_of(m) for m in modules if isinstance(m, EventModule)}
        self.session_table = session_table or self._new_session_table(read_your_writes)
        self.sequences = _given_or(sequences, self._new_sequences)
        self.attributes_bucket = attributes_bucket or self._new_attributes_bucket()
        self.notifications = self._of_service(notifications or self._new_notifications(alarm_emails))
        self._identity = identity
        if identity is None and authorizer is None:
            self._identity = self._new_identity(password_auth=password_auth)
        #: With the runtime, and with what the code needs: for functions of one's own, too.
        self.layers = [runtime_layer or self._new_runtime_layer(defaults)]
        if dependencies:
            self.layers.append(self._new_dependencies_layer(dependencies, defaults))
        self.functions = CqrsFunctions(
            self,
            "Functions",
            code=code_asset(self, code, handler=handler),
            handler=handler,
            app_name=app_name,
            env_name=env_name,
            defaults=defaults,
            layers=self.layers,
            environment=environment,
            tenant_sessions=tenant_sessions,
            commands=self._has_commands,
            api=api,
            stream=stream,
            worker=worker,
            notifier=notifier or (FunctionOptions() if self._tells else None),
            operator=operator,
            projector=self._projector(projector),
            snap_start=snap_start,
        )
        self._workflow = self._new_workflow(workflow_type, log_retention, tracing=tracing)
        self._failed_records = failed_records or self._new_failed_records()
        self.healing = self._new_healing(heal_every)
        self.realtime = _given_or(realtime, lambda: self._new_realtime_api(environment or {}))
        self._connect_parts(features)
        #: What feeds the functions stream and, of the modules with event handlers, projector.
        self.streams, self.event_streams = self._new_streams()
        self.api = CqrsApi(
            self,
            "Api",
            function=self.functions.api_target,
            identity=self._identity,
            authorizer=authorizer,
            user_claim=(environment or {}).get(Env.USER_CLAIM) or None,
            cors_origins=cors_origins,
            log_retention=log_retention,
            encryption_key=encryption_key,
            removal_policy=removal_policy,
        )
        self.code_check: CodeCheck | None = None
        if check_code and self.functions.made:
            self.code_check = CodeCheck(
                self,
                "CodeCheck",
                functions=self.functions,
                defaults=defaults.plus(environment=environment),
            )
        self._nested_alarms = nested_alarms
        self._is_compact = is_compact
        self.monitoring = (
            None if monitoring is False else self._new_monitoring(monitoring, nested_alarms=nested_alarms)
        )
        self._add_outputs(table_outputs)
        self._check_quotas()

    def _connect_parts(self, features: Sequence[Part]) -> None:
        parts: list[Part | None] = [
            *self.tables.values(),
            *self.event_tables.values(),
            self.notifications,
            self.master_data_table,
            self.sequences,
            self.session_table,
            self.attributes_bucket,
            self._identity,
            self._workflow,
            self._failed_records,
            self.realtime,
            self.healing,
            *features,
        ]
        for part in parts:
            if part is not None:
                part.connect(self.functions)
        allow_features(self.functions, self.tables)
        if self._tells:
            self.notifications.add_consumer(self.functions.notifier)

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

    @property
    def workflow(self) -> CommandWorkflow:
        """The state machine that applies commands.

        Raises:
            InvalidPropsError: All modules are of events.

        """
        if self._workflow is None:
            msg = "workflow is not there: all modules of the stack are of events; add a CqrsModule"
            raise InvalidPropsError(msg)
        return self._workflow

    @property
    def failed_records(self) -> FailedRecords:
        """The bucket of stream records that were given up.

        Raises:
            InvalidPropsError: The stack has no streams: all modules are of events, and have no handlers.

        """
        if self._failed_records is None:
            msg = (
                "failed_records is not there: all modules of the stack are of events without handlers, so "
                "there are no streams; give it, or say EventModule(..., handlers=True)"
            )
            raise InvalidPropsError(msg)
        return self._failed_records

    def _check_parts(
        self,
        modules: Sequence[CqrsModule | EventModule],
        *,
        identity: Identity | None,
        authorizer: apigatewayv2.IHttpRouteAuthorizer | None,
        notifications: Notifications | None,
        session_table: SessionTable | None,
        attributes_bucket: AttributesBucket | None,
        failed_records: FailedRecords | None,
        master_data: MasterDataTable | bool,
        sequences: Sequences | bool,
        master: CqrsTable | bool,
        features: Sequence[Part],
        realtime: RealtimeApi | bool,
        retained: RetainedData | None,
        password_auth: bool,
        alarm_emails: Sequence[str],
        read_your_writes: Duration | None,
        nested_alarms: bool,
        monitoring: AlarmThresholds | bool,
        projector: FunctionOptions | lambda_.IFunction | None,
    ) -> None:
        """Refuse what would configure, or stand beside, a part that is brought along or left out."""
        if nested_alarms and monitoring is False:
            msg = (
                "nested_alarms needs alarms, got True beside monitoring=False; leave nested_alarms out where "
                "there is no monitoring"
            )
            raise InvalidPropsError(msg)
        of_commands = has_commands(modules)
        has_handlers = any(getattr(module, "has_handlers", False) for module in modules)
        if projector is not None and not has_handlers:
            msg = (
                "projector needs a module with event handlers, got it without such a module; leave it out, "
                "or say EventModule(..., handlers=True)"
            )
            raise InvalidPropsError(msg)
        if identity is not None:
            refuse_props_of_brought("identity", password_auth=password_auth)
        if authorizer is not None:
            _check_authorizer(identity, password_auth=password_auth, realtime=realtime)
        if notifications is not None:
            refuse_props_of_brought("notifications", alarm_emails=alarm_emails or None)
        if session_table is not None:
            _check_read_your_writes(session_table, read_your_writes)
        check_features(features, master=master, master_data=master_data, retained=retained)
        if retained is not None:
            retained.check(
                self,
                modules,
                session_table_name=of_commands and read_your_writes is not None and session_table is None,
                master_data_table_name=master_data is True or (master is True and master_data is False),
                sequences_table_name=sequences is True,
                attributes_bucket_name=attributes_bucket is None,
                failed_records_bucket_name=failed_records is None and (of_commands or has_handlers),
                user_pool_id=identity is None and authorizer is None,
            )

    def _table_of(self, module: CqrsModule) -> CqrsTable:
        if isinstance(module.table, CqrsTable):
            return module.table
        options = module.table.given() if module.table else {}
        if retained := self._taken_back.tables_of(module):
            has_all = "sync_table" in retained or not module.data_sync
            retained = master_table_props(retained, self.master_data_table, module)
            return CqrsTable(
                self,
                module.name,
                module_name=module.name,
                processing=module.processing,
                data_sync=module.data_sync,
                command_table_has_open_index=True,
                **retained,
                **options,
                **({} if has_all else self._of_new_tables(module)),
            )
        return CqrsTable(
            self,
            module.name,
            module_name=module.name,
            processing=module.processing,
            data_sync=module.data_sync,
            **options,
            **master_table_props(self._of_new_tables(module), self.master_data_table, module),
        )

    def _event_table_of(self, module: EventModule) -> EventStoreTable:
        if isinstance(module.table, EventStoreTable):
            return module.table
        retained = self._taken_back.event_tables_of(module)
        return EventStoreTable(
            self,
            module.name,
            module_name=module.name,
            handlers=module.handlers,
            pull_index=module.pull_index,
            aggregates_index=module.aggregates_index,
            **retained,
            **(module.table.given() if module.table else {}),
            **({} if retained else self._of_new_tables(module)),
        )

    def _of_new_tables(self, module: CqrsModule | EventModule) -> dict[str, Any]:
        """The properties that no table has which is there already."""
        prefix = naming.table_name_prefix(self._env_name, self._app_name, module.name)
        return {
            "table_name_prefix": prefix,
            "encryption_key": self._encryption_key,
            "removal_policy": self._removal_policy,
        }

    def _projector(
        self, given: FunctionOptions | lambda_.IFunction | None
    ) -> FunctionOptions | lambda_.IFunction | None:
        """Give the function that runs event handlers, where there are any."""
        has_handlers = any(table.has_handlers for table in self.event_tables.values())
        return given or (FunctionOptions() if has_handlers else None)

    def _new_streams(self) -> tuple[dict[str, StreamProcessing], dict[str, EventProcessing]]:
        streams = Construct(self, "Streams")
        bucket = self._failed_records.bucket if self._failed_records else None
        projector = self.functions.projector
        return (
            {
                name: StreamProcessing(
                    streams, name, table=table, function=self.functions.stream, on_failure_bucket=bucket
                )
                for name, table in self.tables.items()
            },
            {
                name: EventProcessing(
                    streams, name, table=table, function=projector, on_failure_bucket=bucket
                )
                for name, table in self.event_tables.items()
                if table.has_handlers and projector is not None
            },
        )

    def _new_attributes_bucket(self) -> AttributesBucket:
        if (bucket := self._taken_back.attributes_bucket) is not None:
            return AttributesBucket(self, "Attributes", bucket=bucket)
        return AttributesBucket(
            self,
            "Attributes",
            encryption_key=self._encryption_key,
            auto_delete_objects=self._removal_policy is RemovalPolicy.DESTROY,
            removal_policy=self._removal_policy,
        )

    def _new_failed_records(self) -> FailedRecords | None:
        if not self._has_commands and self.functions.projector is None:
            return None  # no stream whose records might fail
        if (bucket := self._taken_back.failed_records_bucket) is not None:
            return FailedRecords(self, "FailedRecords", bucket=bucket)
        return FailedRecords(
            self,
            "FailedRecords",
            encryption_key=self._encryption_key,
            auto_delete_objects=self._removal_policy is RemovalPolicy.DESTROY,
            removal_policy=self._removal_policy,
        )

    def _new_identity(self, *, password_auth: bool) -> Identity:
        pool = self._taken_back.user_pool
        return Identity(
            self,
            "Identity",
            user_pool=pool,
            password_auth=password_auth,
            removal_policy=None if pool else self._removal_policy,
        )

    def _of_service(self, notifications: Notifications) -> Notifications:
        """Give those that this service has of topics that it may share: alarms alone where nobody is told."""
        if not self._tells:
            if notifications.alarms_only:
                return notifications
            return Notifications(
                self, "Notifications", alarms_only=True, alarm_topic=notifications.alarm_topic
            )
        # Also of new ones: another stack may share them, and is not their first service then.
        return notifications.for_service(
            self,
            "Notifications",
            service=metric_service(self._env_name, self._app_name),
            encryption_key=self._encryption_key,
        )

    def _new_notifications(self, alarm_emails: Sequence[str]) -> Notifications:
        return Notifications(
            self,
            "Notifications",
            encryption_key=self._encryption_key,
            alarm_emails=alarm_emails,
            alarms_only=not self._tells,
            removal_policy=self._removal_policy,
        )

    def _new_session_table(self, read_your_writes: Duration | None) -> SessionTable | None:
        if read_your_writes is None or not self._has_commands:
            return None
        if (table := self._taken_back.session_table) is not None:
            return SessionTable(self, "Sessions", read_your_writes=read_your_writes, table=table)
        return SessionTable(
            self,
            "Sessions",
            read_your_writes=read_your_writes,
            table_name=naming.session_table_name(self._env_name, self._app_name),
            encryption_key=self._encryption_key,
            removal_policy=self._removal_policy,
        )

    def _new_workflow(
        self, workflow_type: WorkflowType, log_retention: logs.RetentionDays, *, tracing: bool
    ) -> CommandWorkflow | None:
        if not self._has_commands:
            return None
        return CommandWorkflow(
            self,
            "Workflow",
            worker=self.functions.worker,
            type=workflow_type,
            log_retention=log_retention,
            encryption_key=self._encryption_key,
            removal_policy=self._removal_policy,
            tracing=tracing,
        )

    def _new_healing(self, heal_every: Duration | None) -> Healing | None:
        if heal_every is None or not self._has_commands:
            return None
        return Healing(self, "Healing", heal_every=heal_every)

    def _master_data(
        self, *, given: MasterDataTable | bool, master: CqrsTable | bool
    ) -> MasterDataTable | None:
        """Give the table with settings by tenant: where there is a module of masters, its data table."""
        if isinstance(master, CqrsTable):
            return MasterDataTable(self, "MasterData", table=master.data_table)
        return _given_or(given or master, self._new_master_data_table)

    def _new_sequences(self) -> Sequences:
        if (table := self._taken_back.sequences_table) is not None:
            return Sequences(self, "Sequences", table=table)
        return Sequences(
            self,
            "Sequences",
            table_name=naming.sequences_table_name(self._env_name, self._app_name),
            encryption_key=self._encryption_key,
            removal_policy=self._removal_policy,
        )

    def _new_master_data_table(self) -> MasterDataTable:
        if (table := self._taken_back.master_data_table) is not None:
            return MasterDataTable(self, "MasterData", table=table)
        return MasterDataTable(
            self,
            "MasterData",
            table_name=naming.master_data_table_name(self._env_name, self._app_name),
            encryption_key=self._encryption_key,
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
        kinds = ("api", "stream", "worker", "notifier", "projector")
        functions = {kind: of for kind in kinds if (of := self.functions.find(kind)) is not None}
        return CqrsMonitoring(
            self,
            "Monitoring",
            app_name=self._app_name,
            env_name=self._env_name,
            notifications=self.notifications,
            tables=[*self.tables.values(), *self.event_tables.values()],
            streams=[*self.streams.values(), *self.event_streams.values()],
            workflow=self._workflow,
            functions=functions,
            api=self.api,
            healing=self.healing,
            sequences=self.sequences,
            thresholds=None if thresholds is True else thresholds,
            nested_alarms=nested_alarms,
        )

    def _check_quotas(self) -> None:
        """Refuse what is larger than AWS takes; what is added later, at synthesis."""
        self.functions.check_quotas()
        if len(self.tables) + len(self.event_tables) > FEW_MODULES:
            self._check_stack(whole=False)
        check_at_synth(self, lambda: self._check_stack(whole=True))

    def _check_stack(self, *, whole: bool) -> None:
        """Refuse more than CloudFormation takes, at first and when the stack is whole."""
        check_stack(
            self,
            self.functions.roles,
            watched=self.monitoring is not None,
            nested=self._nested_alarms,
            indented=not self._is_compact,
            whole=whole,
        )

    def _add_outputs(self, table_outputs: bool | None) -> None:  # noqa: FBT001 - a prop
        """Add what a client, a test or an operator needs to find the service."""
        outputs = {
            "ApiUrl": self.api.url,
            "AlarmTopicArn": self.notifications.alarm_topic.topic_arn,
            "OperatorFunctionName": self.functions.operator.function_name,
            "AttributesBucketName": self.attributes_bucket.bucket.bucket_name,
        }
        if self._workflow is not None:
            machines = {
                "StateMachineArn": self._workflow.state_machine,
                "ApplyStateMachineArn": self._workflow.apply_only,
            }
            outputs |= {name: machine.state_machine_arn for name, machine in machines.items() if machine}
        if self.functions.find(FunctionKind.NOTIFIER) is not None:
            outputs["TopicArn"] = self.notifications.topic.topic_arn
            outputs["NotificationQueueUrl"] = self.notifications.queue.queue_url
        if self._identity is not None:
            outputs["UserPoolId"] = self._identity.user_pool.user_pool_id
            outputs["UserPoolClientId"] = self._identity.user_pool_client.user_pool_client_id
        if self.session_table is not None:
            outputs["SessionTableName"] = self.session_table.table.table_name
        if self.master_data_table is not None:
            outputs["MasterDataTableName"] = self.master_data_table.table.table_name
        if self.sequences is not None:
            outputs["SequencesTableName"] = self.sequences.table.table_name
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
        for name, events in self.event_tables.items():
            prefix = output_prefix(name)
            outputs[f"{prefix}EventsTableName"] = events.events_table.table_name
            outputs[f"{prefix}SyncTableName"] = events.sync_table.table_name
        return outputs


def _given_or(given: _Made | bool, make: Callable[[], _Made]) -> _Made | None:  # noqa: FBT001 - a prop
    """Give the part that was brought; for True a new one; for False none."""
    if isinstance(given, bool):
        return make() if given else None
    return given


def _check_read_your_writes(session_table: SessionTable, read_your_writes: Duration | None) -> None:
    """Refuse a time that only the session table itself can be given."""
    if read_your_writes is _READ_YOUR_WRITES:
        return
    given = "None" if read_your_writes is None else read_your_writes.to_human_string()
    msg = (
        f"read_your_writes has no effect on the session table that is given, got {given} beside "
        f"{session_table.node.path}; leave it out, and give SessionTable its read_your_writes"
    )
    raise InvalidPropsError(msg)


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
