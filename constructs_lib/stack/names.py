"""The names in a `CqrsStack`: which are allowed, and what the outputs of a module are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_length, check_pattern
from constructs_lib.tables import naming
from constructs_lib.tables.module_tables import ModuleTables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs_lib.stack.cqrs_module import CqrsModule
    from constructs_lib.stack.event_module import EventModule

__all__ = ["check_names", "check_stack_texts", "output_prefix"]

_LONGEST_DESCRIPTION: Final = 1024
_MOST_TAGS: Final = 50
_LONGEST_KEY: Final = 128
_LONGEST_VALUE: Final = 256


def output_prefix(module_name: str) -> str:
    """Give the start of the names of a module's outputs, such as ``OrderItem``."""
    return "".join(part.capitalize() for part in module_name.replace("_", "-").split("-"))


def check_names(app_name: str, env_name: str, modules: Sequence[CqrsModule | EventModule]) -> None:
    """Refuse names that tables, outputs and the runtime could not have.

    Raises:
        InvalidPropsError: A name cannot be used, or is used twice.

    """
    check_pattern("app_name", app_name, "[A-Za-z][A-Za-z0-9_.-]{0,63}", hint="use a name such as 'shop'")
    naming.check_env_name(env_name)
    if not modules:
        msg = "modules must name at least one module, got none; pass [CqrsModule('order')]"
        raise InvalidPropsError(msg)
    for module in modules:
        if not isinstance(module.table, ModuleTables):
            _check_table_names(env_name, app_name, module.name)
    seen: dict[str, str] = {}
    for module in modules:
        if (other := seen.get(output_prefix(module.name))) is not None:
            msg = f"modules must have different names, got {other!r} and {module.name!r}; rename one"
            raise InvalidPropsError(msg)
        seen[output_prefix(module.name)] = module.name


def check_stack_texts(description: str | None, tags: Mapping[str, str] | None) -> None:
    """Refuse a description or tags that CloudFormation would not take.

    Raises:
        InvalidPropsError: One is too long, or there are too many tags.

    """
    check_length(
        "description", description, _LONGEST_DESCRIPTION, unit="bytes", hint="say the rest in a README"
    )
    if tags and len(tags) > _MOST_TAGS:
        msg = f"tags must be at most {_MOST_TAGS}, got {len(tags)}; a resource of AWS takes no more"
        raise InvalidPropsError(msg)
    for key, value in (tags or {}).items():
        check_length(f"tags has a key that is {key!r} and", key, _LONGEST_KEY, hint="give it a shorter name")
        check_length(f"tags[{key!r}]", value, _LONGEST_VALUE, hint="put the rest somewhere else")


def _check_table_names(env_name: str, app_name: str, module_name: str) -> None:
    prefix = naming.table_name_prefix(env_name, app_name, module_name)
    if len(prefix) > naming.LONGEST_PREFIX:
        msg = (
            f"modules must have names that leave '{{env_name}}-{{app_name}}-{{module}}' at most "
            f"{naming.LONGEST_PREFIX} characters, as the names of tables have at most 255, got {len(prefix)} "
            f"with env_name {env_name!r}, app_name {app_name!r} and the module {module_name!r}; shorten one"
        )
        raise InvalidPropsError(msg)
