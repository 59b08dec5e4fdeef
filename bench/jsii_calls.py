"""How often an app calls Node.js while it is synthesized, and which constructs do.

    .venv/bin/python -m bench.jsii_calls APP

Each creation, property and method of the CDK is a call of the process that it runs in. Their number is
the same in every run, on every machine.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import constructs
from jsii._kernel.providers import process

_APP: Final = "the app and the CDK"


def counted(app: str) -> Counter[str]:
    """Run an app in this process; the calls, by the construct of the library that makes them."""
    calls: Counter[str] = Counter()
    send = process._NodeProcess.send  # noqa: SLF001 - every call goes through it

    def counting(node: Any, request: Any, response_type: Any) -> Any:  # noqa: ANN401 - whatever jsii sends
        calls[_caller()] += 1
        return send(node, request, response_type)

    process._NodeProcess.send = counting  # noqa: SLF001
    try:
        sys.path.insert(0, str(Path(app).resolve().parent))
        runpy.run_path(app, run_name="__main__")
    finally:
        process._NodeProcess.send = send  # noqa: SLF001
    return calls


def _caller() -> str:
    """The innermost construct of the library that is at work."""
    frame = sys._getframe(1)  # noqa: SLF001 - what `inspect` does takes a hundred times as long
    while (frame := frame.f_back) is not None:  # type: ignore[assignment]
        owner = frame.f_locals.get("self")
        if isinstance(owner, constructs.Construct) and type(owner).__module__.startswith("constructs_lib."):
            return type(owner).__name__
    return _APP


if __name__ == "__main__":
    _, name = sys.argv
    sys.stdout.write(json.dumps(counted(name)))
