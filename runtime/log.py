"""The logger of the runtime: JSON lines, without attributes, tokens or personal data."""

from __future__ import annotations

from aws_lambda_powertools import Logger

__all__ = ["logger"]

logger = Logger(service="cqrs")
