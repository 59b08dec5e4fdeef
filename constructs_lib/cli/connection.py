"""The way to AWS: the usual credentials, region and endpoint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.cli.aws_errors import explained
from constructs_lib.cli.errors import UsageError

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient

__all__ = ["Connection"]

#: The function may take 15 minutes; a client that hangs up before would not know what was done.
_READ_SECONDS: Final = 15 * 60 + 10
_CONNECT_SECONDS: Final = 10
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach AWS, and as whom. None means what the environment says, as for boto3.

    Attributes:
        region: Region. Default: AWS_REGION, AWS_DEFAULT_REGION, the profile's.
        profile: Profile of the AWS configuration files. Default: AWS_PROFILE.
        endpoint_url: URL of an emulator. Default: AWS_ENDPOINT_URL, else AWS.
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None

    def functions(self, *, again: bool, at_once: int) -> LambdaClient:
        """Make a client for Lambda.

        Args:
            again: Whether boto3 repeats a call whose answer was lost.
            at_once: How many calls may run at the same time.
        """
        config = {
            "read_timeout": _READ_SECONDS,
            "tcp_keepalive": True,  # a gateway in between forgets a connection that is silent for minutes
            "max_pool_connections": at_once,
        }
        client: LambdaClient = self._client("lambda", _TRIES if again else 1, **config)
        return client

    def stacks(self) -> CloudFormationClient:
        """Make a client for CloudFormation."""
        client: CloudFormationClient = self._client("cloudformation", _TRIES)
        return client

    def _client(self, service: str, tries: int, **config: Any) -> Any:  # noqa: ANN401 - boto3 makes it
        from boto3.session import Session  # noqa: PLC0415 - `cqrs --help` needs no boto3
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see above

        with explained(service):
            try:
                # boto3 itself reads AWS_DEFAULT_REGION only, other SDKs and Lambda AWS_REGION.
                region = self.region or os.environ.get("AWS_REGION") or None
                session = Session(region_name=region, profile_name=self.profile)
                make: Any = session.client
                return make(service, endpoint_url=self.endpoint_url, config=_config(tries, config))
            except ValueError as error:
                if isinstance(error, BotoCoreError):
                    raise
                message = f"--endpoint-url (AWS_ENDPOINT_URL): {error}; give one like http://127.0.0.1:4566"
                raise UsageError(message) from error


def _config(tries: int, more: dict[str, Any]) -> Config:
    from botocore.config import Config  # noqa: PLC0415 - see above

    return Config(
        connect_timeout=_CONNECT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": tries},
        user_agent_extra="cdk-cqrs-cli",
        **more,
    )
