"""What the outside world is told: one message for each final status, and alarms.

Messages go out after the commit. A topic that is down or slow never fails a command, and takes
a function ten seconds a minute at most: then messages are lost, and counted, for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.clients.patience import Patience
from runtime.clients.sns import SnsService
from runtime.contract import NO_MODULE
from runtime.log import logger
from runtime.model.keys import get_tenant_code, remove_sort_key_version

if TYPE_CHECKING:
    from runtime.clients.resources import Resources
    from runtime.store.codec import Item

__all__ = ["ACTION_ALARM", "ACTION_COMMAND_STATUS", "Notifier"]

ACTION_COMMAND_STATUS: Final = "command-status"
ACTION_ALARM: Final = "sfn-alarm"
#: With one call of 6 seconds at most on top, a topic takes 10 seconds a minute.
_PATIENCE_SECONDS: Final = 4
_PATIENCE_EVERY: Final = 60


class Notifier:
    """The topics for status notifications and for alarms.

    Args:
        resources: Their ARNs, and the client. A topic that is not set gets no messages.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._sns = SnsService(resources, patient=False)
        self._patience = Patience(_PATIENCE_SECONDS, _PATIENCE_EVERY)

    def command_status(self, table: str, command: Item, status: str) -> None:
        """Tell the clients that a command has reached its final status.

        The id is the request id, so that the client which sent the request finds its answer.
        """
        if not self._patience.is_left:
            metrics.count(metrics.NOTIFICATIONS_LOST, "all")
            return
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
        # Not one of many, and nothing waits behind it: always worth a try.
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
            with self._patience.spending():
                self._sns.publish(message, topic_arn)
        except Exception as error:  # noqa: BLE001 - the command is committed; telling must not fail it
            metrics.count(metrics.NOTIFICATIONS_LOST, NO_MODULE)
            logger.error("notification not sent", action=message["action"], error=type(error).__name__)
