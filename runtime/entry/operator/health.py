"""Whether something waits for an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.clients.executions import Executions
from runtime.clients.failed_records import FailedRecords

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope

__all__ = ["health"]


def health(scope: Scope, _arguments: Arguments) -> dict[str, Any]:
    """Tell what waits in queues and buckets, and which executions failed.

    None stands for what the deployment does not have. The numbers of queues are SQS's own
    approximation.
    """
    resources = scope.resources
    settings = resources.settings
    queues = {"deadLetters": settings.dead_letter_queue_url, "notificationQueue": settings.queue_url}
    found: dict[str, Any] = {
        name: resources.sqs.approximate_messages(url) if url else None for name, url in queues.items()
    }
    records = FailedRecords.of(resources)
    found["failedRecords"] = records.count() if records else None
    executions = Executions.of(resources)
    found["executions"] = executions.troubles() if executions else None
    return found
