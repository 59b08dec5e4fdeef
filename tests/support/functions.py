"""Small Lambda functions for tests, made from source text."""

from __future__ import annotations

import io
import json
import sys
import textwrap
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

ROLE = "arn:aws:iam::000000000000:role/test"


class Function:
    """A deployed function and what its last call answered."""

    def __init__(
        self,
        emulator: Emulator,
        source: str,
        *,
        timeout: int = 10,
        environment: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        layers: list[str] | None = None,
        role: str = ROLE,
    ) -> None:
        self.client = emulator.client("lambda")
        self.name = f"f-{uuid.uuid4().hex[:8]}"
        self.error: str | None = None
        self.log: str | None = None
        self.arn: str = self.client.create_function(
            FunctionName=self.name,
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Role=role,
            Handler="index.handler",
            Timeout=timeout,
            Environment={"Variables": environment or {}},
            Layers=layers or [],
            Code={"ZipFile": archive({"index.py": textwrap.dedent(source), **(files or {})})},
        )["FunctionArn"]

    def __call__(self, event: Any = None) -> Any:
        response = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event), LogType="Tail")
        self.error = response.get("FunctionError")
        self.log = response.get("LogResult")
        return json.loads(response["Payload"].read())


def archive(files: dict[str, str]) -> bytes:
    """A zip archive of files, by their paths in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for path, text in files.items():
            zipped.writestr(path, text)
    return buffer.getvalue()
