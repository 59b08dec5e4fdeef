"""Physical names: the convention that the constructs and the runtime share."""

from __future__ import annotations

from typing import Final

from constructs_lib.props.checks import check_pattern
from runtime import contract

__all__ = [
    "LONGEST_PREFIX",
    "MODULE_NAME_PATTERN",
    "check_env_name",
    "check_module_name",
    "check_table_name_prefix",
    "master_data_table_name",
    "sequences_table_name",
    "session_table_name",
    "table_name",
    "table_name_prefix",
]

MODULE_NAME_PATTERN: Final = contract.MODULE_NAME_PATTERN

# DynamoDB allows 255 characters; the longest suffix is "-command" or "-history".
LONGEST_PREFIX: Final = 247
_PREFIX_PATTERN: Final = f"[A-Za-z0-9_.-]{{1,{LONGEST_PREFIX}}}"


def table_name_prefix(env_name: str, app_name: str, module_name: str) -> str:
    """Give the start of a module's table names, such as ``dev-shop-order``."""
    return f"{env_name}-{app_name}-{module_name}"


def table_name(prefix: str, suffix: str) -> str:
    """Give the name of one table of a module, such as ``dev-shop-order-command``."""
    return f"{prefix}-{suffix}"


def session_table_name(env_name: str, app_name: str) -> str:
    """Give the name of the session table, such as ``dev-shop-session``."""
    return f"{env_name}-{app_name}-{contract.SESSION_NAME}"


def master_data_table_name(env_name: str, app_name: str) -> str:
    """Give the name of the table with settings by tenant, such as ``dev-shop-master-data``."""
    return f"{env_name}-{app_name}-{contract.MASTER_DATA_NAME}"


def sequences_table_name(env_name: str, app_name: str) -> str:
    """Give the name of the table that numbers are counted in, such as ``dev-shop-sequences``."""
    return f"{env_name}-{app_name}-{contract.SEQUENCES_NAME}"


def check_env_name(value: str) -> None:
    """Refuse a name of an environment that table names could not start with."""
    hint = "use letters, digits, '_', '-' and '.', such as 'prod' or 'pr-42'"
    check_pattern("env_name", value, contract.ENV_NAME_PATTERN, hint=hint)


def check_module_name(name: str, value: str) -> None:
    """Refuse a module name that the runtime could not be given in code."""
    hint = "use a lower-case name such as 'order', the one given to CommandModule"
    check_pattern(name, value, MODULE_NAME_PATTERN, hint=hint)


def check_table_name_prefix(value: str | None) -> None:
    """Refuse a prefix that would not give valid DynamoDB table names."""
    hint = "use letters, digits, '_', '-' and '.', such as 'dev-shop-order'"
    check_pattern("table_name_prefix", value, _PREFIX_PATTERN, hint=hint)
