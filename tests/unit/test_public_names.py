from __future__ import annotations

import subprocess
import sys

import pytest

import runtime

SEEDS = [
    "CommandModule",
    "CommandService",
    "DataService",
    "DataSyncHandler",
    "DetailKey",
    "HistoryService",
    "KEY_SEPARATOR",
    "Repository",
    "SessionService",
    "TtlService",
    "VERSION_FIRST",
    "VERSION_LATEST",
    "VER_SEPARATOR",
    "add_sort_key_version",
    "data_sync_handler",
    "generate_id",
    "get_command_source",
    "get_sort_key_version",
    "get_tenant_code",
    "get_user_context",
    "remove_sort_key_version",
    "sort_key_base_from_id",
]


def test_every_name_loads() -> None:
    assert len(runtime.__all__) > 60
    for name in runtime.__all__:
        assert getattr(runtime, name) is not None


@pytest.mark.parametrize("name", SEEDS)
def test_names_of_the_seeds_are_importable(name: str) -> None:
    assert name in runtime.__all__
    assert getattr(runtime, name) is not None


def test_importing_the_package_imports_no_dependency() -> None:
    heavy = {"boto3", "pydantic", "aws_lambda_powertools"}
    code = f"import runtime, sys; print(sorted({heavy} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert done.stdout.strip() == "[]"
