"""The names in a `CqrsStack`: which are allowed, and what the outputs of a module are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_pattern
from constructs_lib.tables.naming import check_env_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.stack.cqrs_module import CqrsModule

__all__ = ["check_names", "output_prefix"]


def output_prefix(module_name: str) -> str:
    """Give the start of the names of a module's outputs, such as ``OrderItem``."""
    return "".join(part.capitalize() for part in module_name.replace("_", "-").split("-"))


def check_names(app_name: str, env_name: str, modules: Sequence[CqrsModule]) -> None:
    """Refuse names that tables, outputs and the runtime could not have.

    Raises:
        InvalidPropsError: A name cannot be used, or is used twice.

    """
    check_pattern("app_name", app_name, "[A-Za-z][A-Za-z0-9_.-]{0,63}", hint="use a name such as 'shop'")
    check_env_name(env_name)
    if not modules:
        msg = "modules must name at least one module, got none; pass [CqrsModule('order')]"
        raise InvalidPropsError(msg)
    seen: dict[str, str] = {}
    for module in modules:
        other = seen.setdefault(output_prefix(module.name), module.name)
        if other is not module.name or list(modules).count(module) > 1:
            msg = f"modules must have different names, got {other!r} and {module.name!r}; rename one"
            raise InvalidPropsError(msg)
