"""The stacks whose templates are compared with those of the last release.

A later release may add to them, and never change what is there: users' stacks are
written as these are, and stay as they are when users upgrade.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsApi,
    CqrsFunction,
    CqrsModule,
    CqrsStack,
    CqrsTable,
    Identity,
    MasterDataTable,
    Notifications,
    Processing,
    RealtimeApi,
    SessionTable,
    StreamProcessing,
)
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import CODE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FOLDER", "STACKS", "apart", "shop", "template"]

FOLDER: Final = Path(__file__).parent
PYTHON: Final = lambda_.Runtime.PYTHON_3_13


def shop(app: cdk.App, **props: Any) -> cdk.Stack:
    """A stack with everything that holds something, as it is by default."""
    defaults = {
        "app_name": "shop",
        "env_name": "prod",
        "modules": [
            CqrsModule("order", data_sync=True),
            CqrsModule("order_note", processing=Processing.INLINE),
        ],
        "code": CODE,
        "read_your_writes": cdk.Duration.minutes(5),
        "master_data": True,
        "realtime": True,
        "alarm_emails": ["on-call@example.com"],
        "cors_origins": ["https://shop.example.com"],
        "python_runtime": PYTHON,
    }
    return CqrsStack(app, "Shop", **{**defaults, **props})


def apart(app: cdk.App) -> cdk.Stack:
    """Each construct in a stack of the user's own."""
    stack = cdk.Stack(app, "Shop")
    table = CqrsTable(stack, "Orders", module_name="order", data_sync=True)
    SessionTable(stack, "Sessions")
    MasterDataTable(stack, "MasterData")
    AttributesBucket(stack, "Attributes")
    function = CqrsFunction(
        stack,
        "Everything",
        code=CODE,
        handler="index.handler",
        timeout=cdk.Duration.seconds(30),
        python_runtime=PYTHON,
    ).function
    identity = Identity(stack, "Identity")
    CqrsApi(stack, "Api", function=function, identity=identity)
    RealtimeApi(stack, "Realtime", identity=identity)
    CommandWorkflow(stack, "Workflow", worker=function)
    StreamProcessing(stack, "Stream", table=table, function=function)
    notifications = Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"])
    notifications.add_consumer(function)
    return stack


STACKS: Final[dict[str, Callable[[cdk.App], cdk.Stack]]] = {"apart": apart, "shop": shop}


def template(stack: Callable[[cdk.App], cdk.Stack], **props: Any) -> dict[str, Any]:
    """Today's template of a stack, under the flags that the project ships with."""
    return stable(stack(new_app(), **props))
