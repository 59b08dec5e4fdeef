"""An AWS on this machine: the embedded emulator, and the real CDK CLI against it."""

from __future__ import annotations

from constructs_lib.local.cdk import CdkCli
from constructs_lib.local.emulator import Emulator
from constructs_lib.local.errors import (
    CdkFailedError,
    CdkMissingError,
    EmulatorFailedError,
    LocalAwsError,
    NodeMissingError,
    NoSpaceError,
    PortTakenError,
    PostgresFailedError,
    PostgresMissingError,
    SetupFailedError,
    UnsupportedSystemError,
)
from constructs_lib.local.postgres import Postgres
from constructs_lib.local.template_diff import KEPT_TYPES, Loss, assert_nothing_replaced, losses
from constructs_lib.local.venv import ensure_venv

__all__ = [
    "KEPT_TYPES",
    "CdkCli",
    "CdkFailedError",
    "CdkMissingError",
    "Emulator",
    "EmulatorFailedError",
    "LocalAwsError",
    "Loss",
    "NoSpaceError",
    "NodeMissingError",
    "PortTakenError",
    "Postgres",
    "PostgresFailedError",
    "PostgresMissingError",
    "SetupFailedError",
    "UnsupportedSystemError",
    "assert_nothing_replaced",
    "ensure_venv",
    "losses",
]
