"""The function handler of the service: `blog.main.app`."""

from __future__ import annotations

from runtime import CqrsApp

app = CqrsApp.of(__name__)
