"""The service that `bench.noise` deploys: items, and a route that crashes."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import CommandModule, CqrsApp, module_routes

router = Router()


@router.get("/crash")
def crash() -> None:
    """Fail as code does that nobody expects to."""
    message = "what a client sent"
    raise RuntimeError(message)


doc = CommandModule("doc")
app = CqrsApp(modules=[doc], routes=[router, module_routes(doc, prefix="/docs", type="DOC")])
