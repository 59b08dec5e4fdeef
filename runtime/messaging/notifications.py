"""What the outside world is told: one message for each final status, and alarms.

Messages go out after the commit. A topic that is down never fails or delays a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.contract import NO_MODULE
from runtime.keys import get_tenant_code, remove_sort_key_version
from runtime.log import logger

if TYPE_CHECKING:
    from runtime.resources import Resources
    from runtime.storage.codec import Item

__all__ = ["ACTION_ALARM", "ACTION_COMMAND_STATUS", "Notifier"]

ACTION_COMMAND_STATUS: Final = "command-status"
ACTION_ALARM: Final = "sfn-alarm"


class Notifier:
    """The topics for status notifications and for alarms.

    Args:
        resources: Their ARNs, and the client. A topic that is not set gets no messages.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def command_status(self, table: str, command: Item, status: str) -> None:
        """Tell the clients that a command has reached its final status.

        The id is the request id, so that the client which sent the request finds its answer.
        """
        pk, sk = command["pk"]["S"], command["sk"]["S"]
        request_id = command.get("requestId", {}).get("S")
        self._publish(
            self._resources.settings.topic_arn,
            {
                "action": ACTION_COMMAND_STATUS,
                "id": request_id or f"{table}#{pk}#{sk}",
                "table": table,
                "pk": pk,
                "sk": sk,
                "tenantCode": get_tenant_code(pk) or "",  # without one it is nobody's
                "content": {"status": status, "source": command.get("source", {}).get("S")},
            },
        )

    def alarm(self, module: str, pk: str, sk: str, error: str, execution_id: str | None) -> None:
        """Tell the operators that a command needs them.

        Args:
            module: Module of the command.
            pk: Partition key of the command.
            sk: Sort key of the command, with its version.
            error: Kind of error. Never its text, which may quote the data.
            execution_id: ARN of the execution that gave up.
        """
        self._publish(
            self._resources.settings.alarm_topic_arn,
            {
                "action": ACTION_ALARM,
                "id": f"{pk}#{remove_sort_key_version(sk)}",
                "table": module,
                "pk": pk,
                "sk": sk,
                "tenantCode": get_tenant_code(pk) or "",  # without one it is nobody's
                "content": {"errorMessage": error, "sfnId": execution_id},
            },
        )

    def _publish(self, topic_arn: str | None, message: dict[str, Any]) -> None:
        if topic_arn is None:
            return
        try:
            self._resources.sns.publish(message, topic_arn)
        except Exception as error:  # noqa: BLE001 - the command is committed; telling must not fail it
            metrics.count(metrics.NOTIFICATIONS_LOST, NO_MODULE)
            logger.error("notification not sent", action=message["action"], error=type(error).__name__)
