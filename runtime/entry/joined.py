"""The features of an app, joined with its modules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from runtime.contract import MODULE_NAME_PATTERN
from runtime.entry.operator.names import BUILT_IN_OPERATIONS
from runtime.errors import ConfigurationError
from runtime.features.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.event_store.event_module import EventModule
    from runtime.module import CommandModule

    Module = CommandModule[Any] | EventModule

__all__ = ["check_names", "checked_features", "modules_with"]

_APP: Final = "the modules of the app"


def checked_features(features: Sequence[Feature]) -> dict[str, Feature]:
    """The features by name.

    Raises:
        ConfigurationError: One is none, its name is, or two have the same name or an operation of one name.
    """
    found: dict[str, Feature] = {}
    operations = dict.fromkeys(BUILT_IN_OPERATIONS, "the library")
    for feature in features:
        if not isinstance(feature, Feature):
            msg = f"features must be objects of classes that derive from Feature, got {feature!r}"
            raise ConfigurationError(msg)
        name = getattr(feature, "name", None)
        if not isinstance(name, str) or not re.fullmatch(MODULE_NAME_PATTERN, name):
            kind = type(feature).__name__
            msg = f"the name of the feature {kind} must match {MODULE_NAME_PATTERN}, got {name!r}"
            raise ConfigurationError(msg)
        if name in found:
            kinds = f"{type(found[name]).__name__} and {type(feature).__name__}"
            msg = f"two features have the name {name!r}: {kinds}; give each a name of its own"
            raise ConfigurationError(msg)
        for operation in feature.operations:
            if operation in operations:
                owner = operations[operation]
                msg = (
                    f"the operation {operation!r} of the feature {name!r} is one of {owner} already; give it "
                    "a name of its own"
                )
                raise ConfigurationError(msg)
            operations[operation] = f"the feature {name!r}"
        found[name] = feature
    return found


def modules_with(modules: Sequence[Module], features: Mapping[str, Feature]) -> list[Module]:
    """The app's modules, then those of its features."""
    return [*modules, *(module for feature in features.values() for module in feature.modules)]


def check_names(modules: Sequence[Module], features: Mapping[str, Feature]) -> dict[str, str]:
    """Refuse what has one name and is of two.

    Returns:
        The names of the features' modules, each with the name of its feature.

    Raises:
        ConfigurationError: Two modules have the same name, or a feature has that of a module that is not
            its own.
    """
    owners: dict[str, str] = {}
    parts = [(_APP, modules), *((repr(name), feature.modules) for name, feature in features.items())]
    for owner, own in parts:
        for module in own:
            name = _name_of(module)
            if name in owners:
                msg = _two_modules(name, owners[name], owner, [_name_of(one) for one in modules])
                raise ConfigurationError(msg)
            owners[name] = owner
    for name in features:
        if owners.get(name, repr(name)) != repr(name):
            owner = owners[name] if owners[name] == _APP else f"those of the feature {owners[name]}"
            msg = f"the feature {name!r} has the name of a module among {owner}; rename the module"
            raise ConfigurationError(msg)
    return {_name_of(module): name for name, feature in features.items() for module in feature.modules}


def _two_modules(name: str, one: str, other: str, names: list[str]) -> str:
    if one == other == _APP:
        return f"two modules have the same name in {names}"
    owners = [
        _APP if owner == _APP else f"those of the feature {owner}" for owner in dict.fromkeys((one, other))
    ]
    return f"two modules have the name {name!r}: one is among {' and one among '.join(owners)}; rename one"


def _name_of(module: Module) -> str:
    # Modules of events have a name, those of commands that of their tables.
    return str(getattr(module, "table_name", None) or getattr(module, "name", ""))
