from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import runtime


def test_every_name_is_there_once_and_loads() -> None:
    assert len(set(runtime.__all__)) == len(runtime.__all__)
    for name in runtime.__all__:
        assert getattr(runtime, name) is not None


def test_type_checkers_see_the_names_that_load() -> None:
    tree = ast.parse(Path(runtime.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {a.name for node in block.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert imported == set(runtime.__all__)


def test_importing_the_package_imports_no_dependency() -> None:
    heavy = {"boto3", "pydantic", "aws_lambda_powertools"}
    code = f"import runtime, sys; print(sorted({heavy} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert done.stdout.strip() == "[]"
