"""The program, and the operations that it asks for, in one process: only the call of Lambda is left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from constructs_lib.cli import main
from constructs_lib.cli.connection import Connection
from runtime.entry.operator.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from runtime.entry.operator.scope import Scope

__all__ = ["Direct", "Ended"]


@dataclass(frozen=True)
class Ended:
    """How the program ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """What people see, without the columns' widths."""
        return [" ".join(line.split()) for line in self.out.splitlines()]


class Direct:
    """Runs command lines.

    Args:
        scope: Gives what the operations work on, at each call.
        monkeypatch: Takes the place of the call of Lambda.
        capsys: What was written.
    """

    def __init__(
        self,
        scope: Callable[[], Scope],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self._scope = scope
        self._capsys = capsys
        self.asked: list[dict[str, Any]] = []
        monkeypatch.setattr(Connection, "functions", lambda *_, **__: self)

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """As Lambda does."""
        assert FunctionName == "operator"
        event = json.loads(Payload)
        self.asked.append(event)
        answer = json.dumps(Operator(self._scope()).run(event))
        return {"Payload": BytesIO(answer.encode())}

    def __call__(self, *words: str) -> Ended:
        self._capsys.readouterr()
        code = main([*words, "--function", "operator"])
        out, err = self._capsys.readouterr()
        lines = [line for line in out.splitlines() if not line.startswith('{"level"')]  # the function's log
        return Ended(code, "\n".join(lines), err)
