"""The features of a `CqrsStack`: the modules that they add, and what is only theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Annotations

from constructs_lib.errors import InvalidPropsError
from constructs_lib.stack.cqrs_module import CqrsModule
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.processing import Processing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs_lib.functions.cqrs_functions import CqrsFunctions
    from constructs_lib.parts import Part
    from constructs_lib.stack.event_module import EventModule
    from constructs_lib.stack.retained_data import RetainedData
    from constructs_lib.tables.master_data_table import MasterDataTable

__all__ = ["MASTER", "allow_features", "check_features", "master_table_props", "modules_with_features"]

#: The modules of features, by the names that the runtime's have.
TENANT: Final = "tenant"
MASTER: Final = "master"

_FOR_EVER: Final = "settings and codes are kept until somebody deletes them"


def modules_with_features(
    modules: Sequence[CqrsModule | EventModule],
    *,
    tenants: CqrsTable | bool,
    master: CqrsTable | bool,
) -> list[CqrsModule | EventModule]:
    """Give the service's modules, and those that its features have.

    Raises:
        InvalidPropsError: A module of the service has the name of one of these.

    """
    found = [*modules]
    for prop, name, given in (("tenants", TENANT, tenants), ("master", MASTER, master)):
        if given is False:
            continue
        if any(module.name == name for module in modules):
            msg = (
                f"modules must not have a module {name!r} beside {prop}, which adds it, got one; leave one "
                "of the two out"
            )
            raise InvalidPropsError(msg)
        if isinstance(given, bool):
            found.append(CqrsModule(name, processing=Processing.INLINE))
        else:
            found.append(CqrsModule(name, table=given))
    return found


def check_features(
    features: Sequence[Part],
    *,
    master: CqrsTable | bool,
    master_data: MasterDataTable | bool,
    retained: RetainedData | None,
) -> None:
    """Refuse what is no part, and two tables with settings.

    Raises:
        InvalidPropsError: Something in ``features`` has no ``connect``, ``master_data`` is given beside
            tables that have it, or taken back are all tables of the masters but that one.

    """
    for number, part in enumerate(features):
        if not callable(getattr(part, "connect", None)):
            msg = (
                f"features[{number}] must be a part with connect(functions), got {type(part).__name__}; "
                "what the code needs is given to the CqrsApp"
            )
            raise InvalidPropsError(msg)
    if isinstance(master, CqrsTable) and master_data is not False:
        msg = (
            f"master_data must be left out beside the tables {master.node.path}, whose data table it is, got "
            f"{'True' if master_data is True else master_data.node.path}; give master or master_data"
        )
        raise InvalidPropsError(msg)
    is_new = retained is None or retained.master_data_table_name is None
    is_taken_back = retained is not None and MASTER in retained.command_table_streams
    if master is True and isinstance(master_data, bool) and is_taken_back and is_new:
        msg = (
            f"master_data_table_name must be given with command_table_streams[{MASTER!r}], got None; it is "
            "the data table of that module, and a new one would have its name"
        )
        raise InvalidPropsError(msg)


def master_table_props(
    given: Mapping[str, Any], settings: MasterDataTable | None, module: CqrsModule
) -> dict[str, Any]:
    """Give the properties of the tables of ``module``: where it is that of the masters, with its data table.

    Args:
        given: The properties without it.
        settings: The table with settings.
        module: The module.

    """
    if module.name != MASTER or settings is None:
        return dict(given)
    return {**given, "data_table": settings.table}


def allow_features(functions: CqrsFunctions, tables: Mapping[str, CqrsTable]) -> None:
    """Grant the functions what the modules of features need beside what every module does.

    Tenants are listed by whoever crosses all of them: by operators, and by the api function, but not in
    sessions of one tenant, which reach nothing of another. Operators make and suspend tenants, and bring
    masters to what a document says: what they repair elsewhere, they write here.
    """
    for name in (TENANT, MASTER):
        if (table := tables.get(name)) is not None:
            table.grants.publish(functions.operator)
            table.grants.read(functions.operator)
    if (tenants := tables.get(TENANT)) is not None:
        tenants.grants.browse(functions.operator)
        if functions.tenant_sessions is None:
            tenants.grants.browse(functions.api)
    if (master := tables.get(MASTER)) is not None:
        for function in (functions.operator, functions.data_access(functions.api).grantee):
            master.grants.take_over(function)
        Annotations.of(master).acknowledge_warning("cqrs:noTimeToLive", _FOR_EVER)
