"""The modules of a service, as the file says that its code reads, too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.errors import InvalidPropsError
from constructs_lib.stack.cqrs_module import CqrsModule
from constructs_lib.stack.event_module import EventModule
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.event_store_table import EventStoreTable
from constructs_lib.tables.processing import Processing
from runtime.contract import KIND_EVENTS
from runtime.cqrs_toml import FILE_NAME, DeclarationError, DeclaredModule, read_modules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_lambda as lambda_

__all__ = ["check_declared", "modules_of"]


def modules_of(folder: str | Path) -> list[CqrsModule | EventModule]:
    """Read the modules that ``cqrs.toml`` declares, of both kinds. None of the service's code is imported.

    The code reads the same file, by ``CqrsApp.of(__name__)``: what is declared there is deployed and
    served.

    Example:
        >>> CqrsStack(app, "Shop", app_name="shop", modules=modules_of("service"), code="service")

    Args:
        folder: The folder that the file is in, beside that of the `CqrsApp`.

    Raises:
        InvalidPropsError: There is no such file, or something in it is wrong; the message names the
            file, the table and the key.

    """
    if not isinstance(folder, str | Path):
        msg = f"folder must be a path, got {folder!r}; give that of the folder with {FILE_NAME}"
        raise InvalidPropsError(msg)
    try:
        declared = read_modules(folder)
    except DeclarationError as error:
        raise InvalidPropsError(str(error)) from error
    return [
        CqrsModule(module.name, processing=Processing(module.processing), data_sync=module.data_sync)
        if isinstance(module, DeclaredModule)
        else EventModule(
            module.name,
            handlers=module.handlers,
            pull_index=module.pull_index,
            aggregates_index=module.aggregates_index,
        )
        for module in declared
    ]


def check_declared(
    code: str | Path | lambda_.Code, handler: str, modules: Sequence[CqrsModule | EventModule]
) -> None:
    """Refuse modules that are not those of ``cqrs.toml`` beside the handler's file, where there is one.

    Raises:
        InvalidPropsError: They differ, or the file is wrong.

    """
    if not isinstance(code, str | Path):
        return
    folder = Path(code, *handler.replace("/", ".").split(".")[:-2])
    if not (folder / FILE_NAME).is_file():
        return
    given, declared = _shown(modules), _shown(modules_of(folder))
    if given != declared:
        msg = (
            f"modules must be those of {folder / FILE_NAME}, got {', '.join(given)} where the file says "
            f"{', '.join(declared)}; give modules=modules_of({str(folder)!r}), or change the file"
        )
        raise InvalidPropsError(msg)


def _shown(modules: Sequence[CqrsModule | EventModule]) -> list[str]:
    return sorted(f"{module.name}{_described(module)}" for module in modules)


def _described(module: CqrsModule | EventModule) -> str:
    """What the file, too, says of a module, in brackets."""
    details = _of_events(module) if isinstance(module, EventModule) else _of_commands(module)
    return f" ({', '.join(details)})" if details else ""


def _of_events(module: EventModule) -> list[str]:
    pull_index, aggregates_index = module.pull_index, module.aggregates_index
    if isinstance(module.table, EventStoreTable):
        pull_index, aggregates_index = module.table.has_pull_index, module.table.has_aggregates_index
    return [
        KIND_EVENTS,
        *(["handlers"] if module.has_handlers else []),
        *(["pull_index"] if pull_index else []),
        *(["aggregates_index"] if aggregates_index else []),
    ]


def _of_commands(module: CqrsModule) -> list[str]:
    processing, data_sync = module.processing, module.data_sync
    if isinstance(module.table, CqrsTable):
        processing, data_sync = module.table.processing, module.table.sync_table is not None
    details = [*([processing.value] if processing is not Processing.WORKFLOW else [])]
    return details + (["data_sync"] if data_sync else [])
