"""What `CqrsStack` makes of its props before it builds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aws_cdk import aws_lambda as lambda_

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.stack.cqrs_module import CqrsModule

__all__ = ["check_names", "code_asset", "output_prefix"]

_STAGES: Final = ("local", "dev", "stg", "prod")
_NOT_DEPLOYED: Final = ["**/__pycache__", "**/*.pyc", "**/.*", "**/tests", "**/*.in", "**/requirements*.txt"]


def output_prefix(module_name: str) -> str:
    """Give the start of the names of a module's outputs, such as ``OrderItem``."""
    return "".join(part.capitalize() for part in module_name.replace("_", "-").split("-"))


def code_asset(code: str | Path | lambda_.Code) -> lambda_.Code:
    """Give the Lambda code: ``code`` itself, or a folder without what has no business in Lambda.

    Raises:
        InvalidPropsError: There is no such folder.

    """
    if isinstance(code, lambda_.Code):
        return code
    if not Path(code).is_dir():
        msg = f"code must be a folder, got {str(code)!r}; give the folder that the handler's module is in"
        raise InvalidPropsError(msg)
    return lambda_.Code.from_asset(str(code), exclude=_NOT_DEPLOYED)


def check_names(app_name: str, env_name: str, modules: Sequence[CqrsModule]) -> None:
    """Refuse names that tables, outputs and the runtime could not have.

    Raises:
        InvalidPropsError: A name cannot be used, or is used twice.

    """
    check_pattern("app_name", app_name, "[A-Za-z][A-Za-z0-9-]{0,63}", hint="use a name such as 'shop'")
    check_pattern("env_name", env_name, "|".join(_STAGES), hint="the runtime knows these stages")
    if not modules:
        msg = "modules must name at least one module, got none; pass [CqrsModule('order')]"
        raise InvalidPropsError(msg)
    seen: dict[str, str] = {}
    for module in modules:
        other = seen.setdefault(output_prefix(module.name), module.name)
        if other is not module.name or list(modules).count(module) > 1:
            msg = f"modules must have different names, got {other!r} and {module.name!r}; rename one"
            raise InvalidPropsError(msg)
