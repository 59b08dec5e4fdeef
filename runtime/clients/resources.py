"""The clients that a function holds: made on first use, kept for the container's life."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from runtime.clients.user_agent import user_agent
from runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from boto3 import Session

    from runtime.clients.email import EmailService
    from runtime.clients.notifications import Notifier
    from runtime.clients.realtime import AppSyncEventsTransport
    from runtime.clients.sns import SnsService
    from runtime.clients.sqs import SqsService
    from runtime.clients.step_functions import StepFunctionService
    from runtime.clients.workflow import WorkflowStarter
    from runtime.store.attributes import LargeAttributes
    from runtime.store.port import Store
    from runtime.store.retention import RetentionWriter

__all__ = ["Resources", "default_resources", "make_early"]

#: boto3's name of each service and the prefix of its endpoint and region variables.
_SERVICE_VARIABLES = {
    "dynamodb": "DYNAMODB",
    "stepfunctions": "SFN",
    "sns": "SNS",
    "sqs": "SQS",
    "s3": "S3",
    "cognito-idp": "COGNITO",
    "sesv2": "SES",
    "appsync": "APPSYNC",
    "sts": "STS",
}
_CONNECT_SECONDS = 2
_READ_SECONDS = 10
_ATTEMPTS = 4
#: For what must not hold anything up: twice connecting and reading, 6 seconds at most.
_SHORT_CONNECT_SECONDS = 0.5
_SHORT_READ_SECONDS = 2
_FEW_ATTEMPTS = 2
#: SQS may keep a receiver waiting for 20 seconds.
_QUEUE_READ_SECONDS = 25


class Resources:
    """Settings, and whatever is reached over the network.

    Args:
        settings: The function's settings. Default: read from the environment.

    Attributes:
        retention_writer: Writes how long rows are kept, where a feature of the app has commands for that.
    """

    retention_writer: RetentionWriter | None = None

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.from_environment()

    def client(self, service: str, *, patient: bool = True) -> Any:  # noqa: ANN401 - the caller annotates the service's type
        """A new boto3 client, with the endpoint and region that the settings give.

        Args:
            service: boto3's name of the service.
            patient: Whether to wait for as long as a command may. False gives up within 6
                seconds: for what must not hold anything up.
        """
        import boto3  # noqa: PLC0415 - 140 ms that a function which makes no call is spared

        return self._made_by(boto3.client, service, patient=patient)

    def tenant_client(self, service: str) -> Any:  # noqa: ANN401 - the caller annotates the service's type
        """A client for what tenants keep, in tables and in the attributes bucket.

        Where the deployment asks for it, each call is made in a session of the tenant of the
        request, see `runtime.clients.tenant_sessions`; otherwise it is a `client`.
        """
        if self.settings.tenant_role_arn is None:
            return self.client(service)
        return self._made_by(self._tenant_session.client, service)

    @cached_property
    def _tenant_session(self) -> Session:
        from runtime.clients.tenant_sessions import TenantSessions  # noqa: PLC0415 - few deployments

        # Not patient: a request whose session still lasts must not wait for the next one until it is killed.
        sts = self.client("sts", patient=False)
        return TenantSessions(self.settings.tenant_role_arn or "", sts).boto3_session()

    def _made_by(self, make: Callable[..., Any], service: str, *, patient: bool = True) -> Any:  # noqa: ANN401
        from botocore.config import Config  # noqa: PLC0415

        variable = _SERVICE_VARIABLES[service]
        client = make(
            service,
            endpoint_url=self.settings.endpoints.get(variable),
            region_name=self.settings.regions.get(variable),
            # Timeouts well inside a Lambda timeout: a lost packet must not eat the whole call.
            config=Config(
                connect_timeout=_CONNECT_SECONDS if patient else _SHORT_CONNECT_SECONDS,
                read_timeout=self._read_seconds(service) if patient else _SHORT_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS if patient else _FEW_ATTEMPTS},
                max_pool_connections=20,
                user_agent=user_agent(),
                # The store's adapter makes every parameter itself, and DynamoDB looks at them anyway.
                parameter_validation=service != "dynamodb",
            ),
        )
        if service == "dynamodb":  # most calls
            from runtime.clients.http_session import send_sparingly  # noqa: PLC0415
            from runtime.clients.signing import sign_sparingly  # noqa: PLC0415
            from runtime.store.plain_requests import write_plainly  # noqa: PLC0415

            send_sparingly(client)
            sign_sparingly(client)
            write_plainly(client)
        return client

    @staticmethod
    def _read_seconds(service: str) -> int:
        return _QUEUE_READ_SECONDS if service == "sqs" else _READ_SECONDS

    @cached_property
    def store(self) -> Store:
        """The tables."""
        from runtime.store.dynamodb import DynamoDbStore  # noqa: PLC0415

        return DynamoDbStore(self.tenant_client("dynamodb"))

    @cached_property
    def large_attributes(self) -> LargeAttributes:
        """The attributes bucket."""
        from runtime.store.attributes import LargeAttributes  # noqa: PLC0415

        return LargeAttributes(self.settings, partial(self.tenant_client, "s3"))

    @cached_property
    def notifier(self) -> Notifier:
        """The topics for status notifications and alarms."""
        from runtime.clients.notifications import Notifier  # noqa: PLC0415

        return Notifier(self.settings, partial(self.client, "sns", patient=False))

    @cached_property
    def sns(self) -> SnsService:
        """Topics."""
        from runtime.clients.sns import SnsService  # noqa: PLC0415

        return SnsService(self.settings, partial(self.client, "sns"))

    @cached_property
    def sqs(self) -> SqsService:
        """Queues."""
        from runtime.clients.sqs import SqsService  # noqa: PLC0415

        return SqsService(partial(self.client, "sqs"))

    @cached_property
    def step_functions(self) -> StepFunctionService:
        """State machines of your own."""
        from runtime.clients.step_functions import StepFunctionService  # noqa: PLC0415

        return StepFunctionService(partial(self.client, "stepfunctions"))

    @cached_property
    def email(self) -> EmailService:
        """E-mail."""
        from runtime.clients.email import EmailService  # noqa: PLC0415

        return EmailService(self.settings, partial(self.client, "sesv2"))

    @cached_property
    def realtime(self) -> AppSyncEventsTransport:
        """The push to browsers and apps."""
        from runtime.clients.realtime import AppSyncEventsTransport  # noqa: PLC0415

        return AppSyncEventsTransport(self.settings)

    @cached_property
    def workflow(self) -> WorkflowStarter:
        """The command state machine."""
        from runtime.clients.workflow import WorkflowStarter  # noqa: PLC0415

        return WorkflowStarter(self.settings, partial(self.client, "stepfunctions"))


@cache
def default_resources() -> Resources:
    """The resources of this process, made from its environment on first use."""
    return Resources()


def make_early(*clients: Callable[[], object]) -> None:
    """Make clients before they are needed. One that cannot be made fails its own calls, and not the start.

    Args:
        clients: What makes each of them.
    """
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - of functions that make calls

    for make in clients:
        with suppress(BotoCoreError):
            make()
