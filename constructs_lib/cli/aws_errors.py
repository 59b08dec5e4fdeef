"""The errors of boto3, each as one line that says what to change."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from constructs_lib.cli.errors import CliError, RefusedError, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import ClientError

__all__ = ["explained"]

_CREDENTIALS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile"
_PERMISSIONS = "it needs lambda:InvokeFunction on the operator function, and cloudformation:DescribeStacks"
_UNKNOWN_CALLER = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_NO_NAME = {"InvalidParameterValueException", "ValidationError", "ValidationException"}
_BUSY = {"Throttling", "ThrottlingException", "TooManyRequestsException"}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the errors of boto3 in a ``with`` block into ours.

    Args:
        what: What is called, such as ``function shop-operator``.
    """
    from botocore import exceptions as boto  # noqa: PLC0415 - `cqrs --help` needs no boto3

    try:
        yield
    except boto.ClientError as error:
        raise _refusal(error, what) from error
    except boto.ProfileNotFound as error:
        message = f"--profile: {error}; `aws configure list-profiles` shows those that there are"
        raise UsageError(message) from error
    except (boto.NoRegionError, boto.InvalidRegionError) as error:
        message = "--region: no region that exists is set; give one, or set AWS_REGION"
        raise UsageError(message) from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        # Timeouts, refused connections, TLS and proxies.
        message = (
            f"cannot reach AWS ({error}); check --endpoint-url (AWS_ENDPOINT_URL), --region and the network"
        )
        raise UnreachableError(message) from error
    except boto.ParamValidationError as error:
        message = f"{what} cannot be a name: {_one_line(error)}"
        raise UsageError(message) from error
    except boto.BotoCoreError as error:
        message = f"the AWS credentials cannot be used ({_one_line(error)}); {_CREDENTIALS}"
        raise UnreachableError(message) from error


def _refusal(error: ClientError, what: str) -> CliError:
    code, reason = error.response["Error"]["Code"], _one_line(error.response["Error"].get("Message", ""))
    if code in _UNKNOWN_CALLER:
        return UnreachableError(
            f"AWS does not know these credentials ({code}: {reason}); {_CREDENTIALS}", code
        )
    if code in _NOT_ALLOWED:
        return UnreachableError(f"not allowed to use {what} ({reason}); {_PERMISSIONS}", code)
    if code in _BUSY:
        return UnreachableError(
            f"{what} is throttled ({reason}); try again later, or with fewer --segments", code
        )
    if code == "ResourceNotFoundException" or "does not exist" in reason:
        return RefusedError(f"there is no {what}; check its name, --region and --profile", code)
    if code in _NO_NAME:
        return UsageError(f"{what} cannot be a name ({reason})", code)
    return UnreachableError(f"{what} failed ({code}: {reason})", code)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
