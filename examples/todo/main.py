"""The function handler of the service: `main.app`."""

from __future__ import annotations

from runtime import CqrsApp
from todo.module import todo

app = CqrsApp(modules=[todo], routes="todo.routes:router")
