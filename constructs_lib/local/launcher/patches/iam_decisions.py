"""What the enforcement of IAM policies decides, where it is switched on.

AWS is reached by TLS. The policies that the CDK writes for buckets and topics deny what is
not (`aws:SecureTransport`), and so does the CDK's own bucket for assets, so that nothing could
be deployed to an emulator that speaks plain HTTP on the loopback interface. Here a request
counts as one by TLS.

A batch takes the permission of the single action
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html);
the stock emulator asks for one by the batch's name, which IAM does not have.

AWS writes each call into CloudTrail, with the role that made it and the error code of a call
that was refused
(https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html).
The stock emulator writes nothing about what it decided. Here each decision about a role is a
line of JSON in `iam.jsonl`, in the folder of the run: `principal`, `action`, `resource`,
`allowed`.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_evaluator

from ..patching import replace

__all__ = ["apply"]

_FILE = Path("iam.jsonl")  # the working directory is the folder of the run
_lock = threading.Lock()
_SINGLE = {
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}


def apply() -> None:
    """Count requests as secure, and write down each decision, where policies are enforced."""
    if not app.AUTH:
        return
    pin_origin = iam_evaluator.pin_request_origin
    replace(
        iam_evaluator,
        "pin_request_origin",
        lambda source_ip, secure_transport: pin_origin(source_ip, True),  # noqa: ARG005, FBT003
        holding=("_request_origin.set((source_ip, secure_transport))",),
    )
    app.pin_request_origin = iam_evaluator.pin_request_origin

    def enforce(access_key_id: str, iam_action: str, *arguments: Any, **keywords: Any) -> Any:
        iam_action = _SINGLE.get(iam_action, iam_action)
        denied = stock(access_key_id, iam_action, *arguments, **keywords)
        resource = keywords.get("resource_arn", arguments[2] if len(arguments) > 2 else "*")  # noqa: PLR2004
        _note(access_key_id, iam_action, resource, allowed=denied is None)
        return denied

    stock = replace(
        iam_evaluator,
        "enforce",
        enforce,
        holding=(
            'region: str, resource_arn: str = "*"',
            "result = evaluate(ctx, principal.policies, *principal.limits)",
        ),
    )


def _note(access_key_id: str, action: str, resource: str, *, allowed: bool) -> None:
    from ministack.services import sts  # noqa: PLC0415 - the emulator loads its services when they are needed

    session = sts._sessions.get(access_key_id)
    if session is None:
        return  # not a role's: the account itself, which may do everything
    line = {"principal": session["Arn"], "action": action, "resource": resource, "allowed": allowed}
    with _lock, _FILE.open("a") as file:
        file.write(json.dumps(line) + "\n")
