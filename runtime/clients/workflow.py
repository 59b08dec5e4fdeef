"""Starting the command state machine: once for each command, by a name that says which."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from runtime.aws_errors import error_code, translated
from runtime.errors import ConfigurationError
from runtime.model.keys import get_sort_key_version
from runtime.model.rows import PUBLISH_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_stepfunctions import SFNClient

    from runtime.model.keys import DetailKey
    from runtime.settings import Settings
    from runtime.store.values import Row

__all__ = ["WorkflowStarter", "execution_name"]

_MAX_NAME: Final = 80
_DIGEST: Final = 20


def execution_name(
    table: str, key: DetailKey, version: int, publish_id: str | None = None, again: str = ""
) -> str:
    """Name of the execution for one command: always the same one.

    Step Functions refuses a name that it has seen in the last 90 days, so a record that is
    delivered twice starts one execution. The digest keeps keys apart that look alike once the
    characters are gone which a name may not have, and commands of the same version in two lives
    of an aggregate.

    Args:
        table: Physical name of the command table.
        key: Key of the aggregate.
        version: Version of the command.
        publish_id: The command's publish id; None for one of the reference system's.
        again: Tells a further execution for the same command from the first one.
    """
    parts = (table, *key, str(version), *((publish_id,) if publish_id else ()))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST]
    tail = f"-v{version}-{digest}" + (f"-{again}" if again else "")
    readable = re.sub(r"[^0-9A-Za-z_-]+", "-", f"{key.pk}-{key.sk}")
    return readable[: _MAX_NAME - len(tail)] + tail


class WorkflowStarter:
    """The command state machines: one for all, and one for modules without handlers, which only applies.

    Args:
        settings: Their ARNs, and which modules have handlers.
        client: Makes the client.
    """

    def __init__(self, settings: Settings, client: Callable[[], SFNClient]) -> None:
        self._settings = settings
        self._make_client = client

    @cached_property
    def _sfn(self) -> SFNClient:
        return self._make_client()

    def connect(self) -> None:
        """Make the client now, before the first start; no call. Nothing where there is no state machine."""
        if self._settings.state_machine_arn:
            _ = self._sfn

    def start(
        self,
        module: str,
        table: str,
        key: DetailKey,
        command: Row,
        *,
        first: int | None = None,
        again: bool = False,
    ) -> None:
        """Start the execution for one command. Harmless when it was started before.

        The input refers to the command and never carries it; the request id is in it, so
        that what the execution logs can be found by it.

        Args:
            module: Logical name of the module.
            table: Physical name of the command table.
            key: Key of the aggregate; the sort key without a version.
            command: The command row.
            first: First version that the execution is for. Default: that of the command.
            again: Start it once more, under another name.

        Raises:
            ConfigurationError: The function does not know the state machine.
            StoreUnavailableError: Step Functions is busy or out of reach.
            StoreRefusedError: Step Functions refuses the call.
        """
        machines = self._settings.state_machines_of(module)
        if not machines:
            msg = "SFN_COMMAND_ARN is not set, so no workflow can be started"
            raise ConfigurationError(msg)
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        version, publish_id = get_sort_key_version(command["sk"]), command.get(PUBLISH_ID)
        reference: dict[str, Any] = {"module": module, "table": table, **key._asdict(), "version": version}
        if first is not None and first < version:
            reference["first"] = first
        if publish_id is not None:
            reference["publishId"] = publish_id
        if "requestId" in command:
            reference["requestId"] = command["requestId"]
        try:
            self._sfn.start_execution(
                stateMachineArn=machines[0],
                name=execution_name(table, key, version, publish_id, uuid4().hex[:8] if again else ""),
                input=json.dumps(reference, separators=(",", ":")),
            )
        except (ClientError, BotoCoreError) as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise translated(error, "Step Functions") from error
