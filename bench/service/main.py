"""The service that the benchmarks deploy: three ways of a command, and a route that crashes."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import CommandModel, CommandModule, CqrsApp, DataSyncHandler, module_routes

router = Router()


@router.get("/crash")
def crash() -> None:
    """Fail as code does that nobody expects to."""
    message = "what a client sent"
    raise RuntimeError(message)


class Quiet(DataSyncHandler):
    """A read model that costs nothing."""

    def up(self, command: CommandModel[Any]) -> None:
        """Have seen it."""

    def down(self, command: CommandModel[Any]) -> None:
        """Have seen it."""


doc = CommandModule("doc")
memo = CommandModule("memo")
task = CommandModule("task", data_sync_handlers=[Quiet()])
app = CqrsApp(
    modules=[doc, memo, task],
    routes=[
        router,
        module_routes(doc, prefix="/docs", type="DOC"),
        module_routes(memo, prefix="/memos", type="MEMO"),
        module_routes(task, prefix="/tasks", type="TASK"),
    ],
)
