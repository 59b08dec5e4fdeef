"""One Lambda function of the service, with a role of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aws_cdk import Annotations, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_defaults import FunctionDefaults
from constructs_lib.functions.handler import check_handler
from constructs_lib.functions.layer_regions import check_layer_regions
from constructs_lib.functions.network import allow_network_interfaces, network
from constructs_lib.functions.python_runtime import check_snap_start, default_python_runtime
from constructs_lib.functions.reserved_concurrency import warn_if_switched_off
from constructs_lib.functions.vpc_endpoints import EndpointCheck
from constructs_lib.props.acknowledge import NOT_TRACED, acknowledge_all
from constructs_lib.props.checks import check_duration, check_length, check_range
from constructs_lib.props.compliance_packs import NO_INLINE, OF_ONE_ROLE, of_compliance_packs
from constructs_lib.props.grants import allow_key, merge_statements
from constructs_lib.props.service_keys import let_logs_use
from constructs_lib.props.strict_props import strict_props
from constructs_lib.quotas.at_synth import check_at_synth
from constructs_lib.quotas.environment import check_environment, may_be_too_large
from constructs_lib.quotas.role_policies import check_policies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import RemovalPolicy
    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_kms as kms

__all__ = ["CqrsFunction"]

_MOST_LAYERS: Final = 5
_LONGEST_DESCRIPTION: Final = 256


class CqrsFunction(Construct):
    """A Lambda function whose role may write its own log and traces, and nothing else.

    Logs are JSON and expire. Memory and timeout are explicit. Whatever else the function
    may do is granted by the resource that it uses. In a VPC, synthesis says which endpoints the
    function needs where its subnets have no way out.

    Example:
        >>> worker = CqrsFunction(self, "Worker", code=code, handler="main.app")
        >>> orders.grants.apply(worker.function)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        code: The function's code.
        handler: What Lambda calls, such as "main.app".
        defaults: What this function shares with others; the properties below go before it.
            Defaults to `FunctionDefaults`.
        layers: Layers of the function, behind those of ``defaults``. Defaults to none.
        environment: Environment variables, beside those of ``defaults``. Defaults to none.
        memory_size: Memory in MiB, from 128 to 10240; CPU grows with it. Defaults to 512.
        timeout: How long one call may take, up to 15 minutes. Defaults to 30 seconds.
        architecture: Processor of the function; its layers must be built for the same.
            Defaults to that of ``defaults``: ARM64.
        python_runtime: Lambda's Python. Defaults to that of ``defaults``: the Python that
            synthesizes.
        reserved_concurrency: Calls at the same time that are set aside for, and are the
            limit of, this function. Defaults to the account's shared pool.
        description: What the console shows beside the function, up to 256 characters. Defaults to nothing.
        log_retention: How long log lines are kept. Defaults to that of ``defaults``: 1 month.
        removal_policy: What happens to the log group when it leaves the stack. Defaults to
            that of ``defaults``: RETAIN.
        vpc: The VPC that the function runs in; False for none where ``defaults`` has one. With
            another one, subnets and security groups of ``defaults`` do not count. Defaults to that
            of ``defaults``: none.
        vpc_subnets: Which subnets of the VPC, private or isolated. Defaults to those of
            ``defaults``: the private ones, or the isolated ones where there are no private ones.
        security_groups: What guards the function in the VPC, from 1 to 5. Defaults to those of
            ``defaults``: a new group, which lets everything out and nothing in.
        encryption_key: Customer managed key of the log group and of the environment variables; its
            policy gets what CloudWatch Logs needs. Defaults to that of ``defaults``: the keys that
            AWS owns.
        tracing: Whether X-Ray traces a sample of the calls. Defaults to that of ``defaults``: True.
        snap_start: Whether ``live``, an alias of the function's newest version, starts from a snapshot that
            Lambda takes after the imports; callers have to call that. Each deployment of new code takes
            minutes longer, and AWS bills the snapshot by the hour, and each start. For Python 3.12 or newer.
            Defaults to False.

    Raises:
        InvalidPropsError: A number, duration, text or list is outside what Lambda allows, the VPC
            has no such subnets, or public ones, or the Python cannot start from a snapshot.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        handler: str,
        defaults: FunctionDefaults | None = None,
        layers: Sequence[lambda_.ILayerVersion] = (),
        environment: Mapping[str, str] | None = None,
        memory_size: int = 512,
        timeout: Duration | None = None,
        architecture: lambda_.Architecture | None = None,
        python_runtime: lambda_.Runtime | None = None,
        reserved_concurrency: int | None = None,
        description: str | None = None,
        log_retention: logs.RetentionDays | None = None,
        removal_policy: RemovalPolicy | None = None,
        vpc: ec2.IVpc | bool | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        encryption_key: kms.IKey | None = None,
        tracing: bool | None = None,
        snap_start: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        merge_statements(self)
        check_handler("handler", handler)
        check_length("description", description, _LONGEST_DESCRIPTION, hint="say the rest in a comment")
        check_range("memory_size", memory_size, minimum=128, maximum=10240, hint="it is in MiB")
        check_range("reserved_concurrency", reserved_concurrency, minimum=0, hint="leave it out for no limit")
        check_duration(
            "timeout",
            timeout,
            minimum=timedelta(seconds=1),
            maximum=timedelta(minutes=15),
            hint="Lambda stops a call after 15 minutes",
        )
        used = (
            (defaults or FunctionDefaults())
            .but(
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
            .plus(layers=layers, environment=environment)
        )
        _check_layers(used.layers)
        check_layer_regions(self, used.layers)
        runtime = used.python_runtime or default_python_runtime()
        if snap_start:
            check_snap_start(runtime)
        inside = network(self, used.vpc, used.vpc_subnets, used.security_groups)
        self.network = inside
        """Where the function runs; None outside of a VPC."""
        let_logs_use(self, used.encryption_key)
        self.log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=used.log_retention,
            encryption_key=used.encryption_key,
            removal_policy=used.removal_policy,
        )
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log_group.grant_write(self.role)
        if inside is not None:
            allow_network_interfaces(self.role)
        # Lambda decrypts the variables in the name of the role.
        allow_key(self.role, used.encryption_key, "kms:Decrypt")
        self.function = lambda_.Function(
            self,
            "Function",
            code=code,
            handler=handler,
            runtime=runtime,
            architecture=used.architecture,
            layers=list(used.layers),
            environment=dict(used.environment),
            environment_encryption=used.encryption_key,
            memory_size=memory_size,
            timeout=timeout or Duration.seconds(30),
            reserved_concurrent_executions=reserved_concurrency,
            description=description,
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE if used.tracing else lambda_.Tracing.DISABLED,
            vpc=inside.vpc if inside else None,
            vpc_subnets=inside.selection if inside else None,
            security_groups=inside.security_groups if inside else None,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
        )
        self.live = self._new_alias() if snap_start else None
        """The newest version, with ``snap_start``; else None."""
        self._endpoints = EndpointCheck(self.function, self.role, inside) if inside else None
        warn_if_switched_off(self.function, reserved_concurrency)
        if may_be_too_large(used.environment):
            check_environment(self.function)
        check_at_synth(self, self.check_quotas)
        acknowledge_all(
            self.role,
            {
                "X-Ray's write actions take no resource, nor do those for network interfaces": [
                    "AwsSolutions-IAM5[Resource::*]"
                ],
                OF_ONE_ROLE: of_compliance_packs(NO_INLINE),
            },
        )
        findings: dict[str, Sequence[str]] = {
            "the runtime is the Python that synthesizes, so that what is tested is what is deployed": [
                "AwsSolutions-L1",
                "Serverless-LambdaLatestVersion",
            ],
            "callers wait for the answer (API Gateway, Step Functions, event source mappings), or call "
            "again (the schedule): there are no asynchronous invocations to keep": [
                "Serverless-LambdaDLQ",
                *of_compliance_packs("LambdaDLQ"),
            ],
            "it talks to AWS only, over TLS and by its role; a database in a VPC is the caller's to join": (
                of_compliance_packs("LambdaInsideVPC")
            ),
        }
        if not used.tracing:
            findings[NOT_TRACED] = ["Serverless-LambdaTracing"]
        if reserved_concurrency is None:
            findings["the account's pool is shared out by whoever owns the account: reserved_concurrency"] = (
                of_compliance_packs("LambdaConcurrency")
            )
        acknowledge_all(self.function, findings)

    def _new_alias(self) -> lambda_.Alias:
        Annotations.of(self.function).acknowledge_warning(
            "@aws-cdk/aws-lambda:snapStartRequirePublish", "the alias is of a published version"
        )
        return lambda_.Alias(self, "Live", alias_name="live", version=self.function.current_version)

    def assumes(self, role: iam.Role) -> None:
        """Count what ``role`` may do as what the function calls: it assumes it."""
        if self._endpoints is not None:
            self._endpoints.also_as(role)

    def check_quotas(self) -> None:
        """Refuse what makes the function, or its role, larger than AWS takes, as they are now.

        It is done again when the app is synthesized, for what was added since.

        Raises:
            InvalidPropsError: The variables are too large, or the role has too many policies.

        """
        check_environment(self.function)
        check_policies(self.role)


def _check_layers(layers: Sequence[lambda_.ILayerVersion]) -> None:
    if len(layers) > _MOST_LAYERS:
        paths = ", ".join(layer.node.path for layer in layers)
        msg = (
            f"layers must be at most {_MOST_LAYERS}, those of defaults and for dependencies included, got "
            f"{len(layers)}: {paths}; put what they hold into fewer"
        )
        raise InvalidPropsError(msg)
