"""``cqrs.toml``: the modules of a service, declared once, for the stack and for the code.

The constructs read it at synthesis, and `CqrsApp.of` where the functions start, so it imports nothing
but the contract. Whoever reads it turns `DeclarationError` into an error of their own.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

from runtime.contract import KIND_COMMANDS, KIND_EVENTS, KINDS, MODE_WORKFLOW, MODES, MODULE_NAME_PATTERN

__all__ = [
    "FILE_NAME",
    "DeclarationError",
    "Declared",
    "DeclaredEventModule",
    "DeclaredModule",
    "read_modules",
]

FILE_NAME: Final = "cqrs.toml"

_TABLE: Final = "modules"
_KEYS: Final = {
    KIND_COMMANDS: ("kind", "processing", "data_sync", "module", "routes"),
    KIND_EVENTS: ("kind", "handlers", "pull_index", "aggregates_index", "module", "routes"),
}
_PATH: Final = re.compile(r"\.?[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_PATH_HINT: Final = (
    'written "package.module:name", with a dot in front for what stands beside the file: '
    '".modules.order:module"'
)


class DeclarationError(ValueError):
    """``cqrs.toml`` cannot be used; the message names the file, the table and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredModule:
    """One table of the file: a module of commands.

    Attributes:
        name: The module's name.
        processing: ``workflow`` or ``inline``.
        data_sync: Whether it has data sync handlers.
        module: Where its ``CommandModule`` is imported from; a dot in front stands for the package of the
            file's folder.
        routes: Where its routes are imported from, likewise.
    """

    name: str
    processing: str = MODE_WORKFLOW
    data_sync: bool = False
    module: str
    routes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredEventModule:
    """One table of the file: a module of events.

    Attributes:
        name: The module's name.
        handlers: Whether it has event handlers that a function of the stack runs.
        pull_index: Whether processes outside of Lambda read its events.
        aggregates_index: Whether the aggregates of a tenant can be listed.
        module: Where its ``EventModule`` is imported from, see `DeclaredModule`.
        routes: Where its routes are imported from, likewise.
    """

    name: str
    handlers: bool = False
    pull_index: bool = False
    aggregates_index: bool = False
    module: str
    routes: tuple[str, ...]


Declared: TypeAlias = DeclaredModule | DeclaredEventModule


def read_modules(folder: str | Path) -> tuple[Declared, ...]:
    """The modules that ``cqrs.toml`` in a folder declares, in its order.

    Args:
        folder: The folder that the file is in.

    Raises:
        DeclarationError: There is no such file, or something in it is wrong.
    """
    file = Path(folder) / FILE_NAME
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{file}: cannot be read ({error.strerror}); write a table such as [modules.order] into it"
        raise DeclarationError(msg) from error
    except ValueError as error:  # of TOML, or of its encoding
        msg = f"{file}: is no TOML: {error}"
        raise DeclarationError(msg) from error
    return _File(file).modules(content)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path

    def modules(self, content: dict[str, Any]) -> tuple[Declared, ...]:
        for key in content:
            self._check_key("", key, (_TABLE,))
        tables = content.get(_TABLE)
        if not isinstance(tables, dict) or not tables:
            self._refuse("", f"must have a table for each module, such as [modules.order], got {tables!r}")
        return tuple(self._module(name, table) for name, table in tables.items())

    def _module(self, name: str, table: object) -> Declared:
        where = f"[{_TABLE}.{name}]"
        if not re.fullmatch(MODULE_NAME_PATTERN, name):
            self._refuse(where, f"the name must match {MODULE_NAME_PATTERN}, got {name!r}")
        if not isinstance(table, dict):
            self._refuse(f"[{_TABLE}]", f"{name} must be a table, got {table!r}; write {where}")
        kind = table.get("kind", KIND_COMMANDS)
        if kind not in KINDS:
            self._refuse(where, f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        for key in table:
            self._check_key(where, key, _KEYS[kind])
        file = name.replace("-", "_")
        module = self._import_path(where, "module", table.get("module", f".modules.{file}:module"))
        routes = table.get("routes", f".modules.{file}:routes")
        paths = tuple(
            self._import_path(where, "routes", path)
            for path in (routes if isinstance(routes, list) else [routes])
        )
        if kind == KIND_EVENTS:
            return DeclaredEventModule(
                name=name,
                handlers=self._flag(where, table, "handlers"),
                pull_index=self._flag(where, table, "pull_index"),
                aggregates_index=self._flag(where, table, "aggregates_index"),
                module=module,
                routes=paths,
            )
        processing = table.get("processing", MODE_WORKFLOW)
        if processing not in MODES:
            self._refuse(where, f"processing must be one of {', '.join(MODES)}, got {processing!r}")
        return DeclaredModule(
            name=name,
            processing=processing,
            data_sync=self._flag(where, table, "data_sync"),
            module=module,
            routes=paths,
        )

    def _flag(self, where: str, table: dict[str, Any], key: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self._refuse(where, f"{key} must be true or false, got {value!r}")
        return value

    def _import_path(self, where: str, key: str, value: object) -> str:
        if not isinstance(value, str) or not _PATH.fullmatch(value):
            self._refuse(where, f"{key} must be an import path, got {value!r}; it is {_PATH_HINT}")
        return value

    def _check_key(self, where: str, key: str, known: tuple[str, ...]) -> None:
        if key not in known:
            from difflib import get_close_matches  # noqa: PLC0415 - of a file with a mistake

            similar = get_close_matches(key, known, n=1)
            fix = f"did you mean {similar[0]!r}?" if similar else f"there is {', '.join(known)}"
            self._refuse(where, f"{key!r} is no key; {fix}")

    def _refuse(self, where: str, message: str) -> NoReturn:
        msg = f"{self.path}: {where} {message}" if where else f"{self.path}: {message}"
        raise DeclarationError(msg)
