"""What a process needs in its environment to talk to the emulator, and nothing of the user's AWS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ACCOUNT", "REGION", "client_environment", "emulator_environment", "without_aws"]

ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"

#: Of the caller's variables, the few that a Lambda function may see: it inherits the emulator's.
_INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LOCAL_AWS_WORKERS")


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy without the variables that choose an AWS account, a profile or an endpoint."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def client_environment(endpoint_url: str) -> dict[str, str]:
    """Variables for the CDK CLI and for every AWS SDK.

    The access key id is the account's number. The emulator takes such a key for that
    account, and the CDK CLI, which remembers the account of each access key in the user's
    home, then remembers something that is always true.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "true",
    }


def emulator_environment(*, port: int, temp: str, state: str, wait_scale: float, iam: bool) -> dict[str, str]:
    """Variables for the emulator itself, which its Lambda functions inherit.

    Of the caller's environment it takes only what a program needs to run at all, so that
    a function cannot lean on something which AWS will not give it.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TZ": ":UTC",
        "TMPDIR": temp,
        "STATE_DIR": state,
        "S3_DATA_DIR": f"{state}/s3",
        "GATEWAY_PORT": str(port),
        # The default listens on every interface.
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        # Both would open ports of their own.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Its own cap makes Step Functions see an error that AWS does not give; ours is per function.
        "LAMBDA_ACCOUNT_CONCURRENCY": "0",
        "LAMBDA_EXECUTOR": "local",
        "SFN_WAIT_SCALE": str(wait_scale),
        "AUTH": str(iam).lower(),
    }
