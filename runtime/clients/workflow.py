"""Starting the command state machine: once for each version, by a name that says which."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from botocore.exceptions import ClientError

from runtime.errors import ConfigurationError
from runtime.model.keys import get_sort_key_version

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from runtime.clients.resources import Resources
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["WorkflowStarter", "execution_name"]

_MAX_NAME: Final = 80
_DIGEST: Final = 20


def execution_name(table: str, key: DetailKey, version: int, again: str = "") -> str:
    """Name of the execution for one version of one aggregate: always the same one.

    Step Functions refuses a name that it has seen in the last 90 days, so a record that
    is delivered twice starts one execution. The digest keeps keys apart that look alike
    once the characters which a name may not have are gone. ``again`` tells a further
    execution for the same version from the first one.
    """
    digest = hashlib.sha256("\0".join((table, *key, str(version))).encode()).hexdigest()[:_DIGEST]
    tail = f"-v{version}-{digest}" + (f"-{again}" if again else "")
    readable = re.sub(r"[^0-9A-Za-z_-]+", "-", f"{key.pk}-{key.sk}")
    return readable[: _MAX_NAME - len(tail)] + tail


class WorkflowStarter:
    """The command state machine.

    Args:
        resources: Its ARN, and the client.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @cached_property
    def _sfn(self) -> SFNClient:
        client: SFNClient = self._resources.client("stepfunctions")
        return client

    def start(
        self, module: CommandModule[Any], key: DetailKey, command: Item, *, again: bool = False
    ) -> None:
        """Start the execution for one command. Harmless when it was started before.

        With ``again`` it is started once more, under another name.

        The input refers to the command and never carries it; the request id is in it, so
        that what the execution logs can be found by it.

        Raises:
            ConfigurationError: The function does not know the state machine.
        """
        arn = self._resources.settings.state_machine_arn
        if arn is None:
            msg = "SFN_COMMAND_ARN is not set, so no workflow can be started"
            raise ConfigurationError(msg)
        table, version = module.tables.command, get_sort_key_version(command["sk"]["S"])
        reference: dict[str, Any] = {
            "module": module.table_name,
            "table": table,
            **key._asdict(),
            "version": version,
        }
        if "requestId" in command:
            reference["requestId"] = command["requestId"].get("S")
        try:
            self._sfn.start_execution(
                stateMachineArn=arn,
                name=execution_name(table, key, version, uuid4().hex[:8] if again else ""),
                input=json.dumps(reference, separators=(",", ":")),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
