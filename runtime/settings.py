"""The environment of a function, read and validated once."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runtime.contract import (
    COMMAND_SUFFIX,
    DATA_SUFFIX,
    ENV_NAME_PATTERN,
    EVENTS_SUFFIX,
    FEATURE_TABLE,
    HISTORY_SUFFIX,
    KIND_COMMANDS,
    KIND_EVENTS,
    KINDS,
    MASTER_DATA_NAME,
    MODE_WORKFLOW,
    MODES,
    SEQUENCE_FEATURE,
    SEQUENCES_NAME,
    SESSION_NAME,
    SYNC_SUFFIX,
    Claim,
    Env,
)
from runtime.errors import ConfigurationError, ModuleMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EventTables", "ModuleTables", "Settings"]

_TABLE_KEYS: Final = {
    "command": COMMAND_SUFFIX,
    "data": DATA_SUFFIX,
    "history": HISTORY_SUFFIX,
    "sync_table": SYNC_SUFFIX,
}
_OPEN_INDEX_KEY: Final = "open"
_EVENT_TABLE_KEYS: Final = {"events": EVENTS_SUFFIX, "sync_table": SYNC_SUFFIX}
_FLAGS_OF_EVENTS: Final = ("handlers", "feed", "aggregates", "exclusive")
_KEYS_OF_KIND: Final[dict[str, set[str]]] = {
    KIND_COMMANDS: {"kind", *_TABLE_KEYS, "mode", "sync", _OPEN_INDEX_KEY},
    KIND_EVENTS: {"kind", *_EVENT_TABLE_KEYS, *_FLAGS_OF_EVENTS},
}
_DEFAULT_ATTRIBUTE_LIMIT: Final = 100 * 1024
_DEFAULT_BODY_LIMIT: Final = 100 * 1024
_DEFAULT_ITEM_LIMIT: Final = 1024**2
_BODY_LIMIT: Final = re.compile(r"([0-9]+)\s*(b|kb|mb)?", re.IGNORECASE)
_BYTES: Final = {"b": 1, "kb": 1024, "mb": 1024**2}
_SERVICES: Final = ("DYNAMODB", "S3", "SFN", "SNS", "SQS", "COGNITO", "SES", "APPSYNC", "STS")


@dataclass(frozen=True, slots=True)
class ModuleTables:
    """Physical table names of one module, and how its commands are processed.

    Attributes:
        mode: ``workflow`` or ``inline``.
        has_sync_table: Whether the deployment made a table for the handlers' cursors.
        has_open_index: Whether the command table has the index of what is under way, see
            `runtime.contract.OPEN_INDEX`.
    """

    command: str
    data: str
    history: str
    sync: str
    mode: str
    has_sync_table: bool
    has_open_index: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTables:
    """Physical table names of one module of events, and what the deployment says of it.

    Attributes:
        events: Name of the table that holds the commits.
        sync: Name of the table that holds the handlers' cursors.
        has_handlers: Whether the stack has a function that runs the module's handlers.
        has_feed_index: Whether the events table has the index that tells processes outside of Lambda what
            is new, see `runtime.contract.FEED_INDEX`.
        has_aggregates_index: Whether it has the index of a tenant's aggregates, see
            `runtime.contract.AGGREGATES_INDEX`.
        is_exclusive: Whether several invocations may work on one aggregate at a time, so that every handler
            has to claim its turns.
    """

    events: str
    sync: str
    has_handlers: bool = False
    has_feed_index: bool = False
    has_aggregates_index: bool = False
    is_exclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a function finds in its environment. Made by `from_environment`."""

    node_env: str | None = None
    app_name: str | None = None
    function: str | None = None
    modules: Mapping[str, Mapping[str, Any]] | None = None
    session_table_override: str | None = None
    master_data_override: str | None = None
    ryw_session_seconds: int | None = None
    state_machine_arn: str | None = None
    apply_machine_arn: str | None = None
    topic_arn: str | None = None
    alarm_topic_arn: str | None = None
    bucket_name: str | None = None
    attribute_limit: int = _DEFAULT_ATTRIBUTE_LIMIT
    common_tenant_codes: tuple[str, ...] = ("common",)
    cross_tenant_roles: tuple[str, ...] = ("system_admin",)
    user_claim: str = Claim.USER
    tenant_claim: str = Claim.TENANT
    roles_claim: str = Claim.ROLES
    groups_claim: str = Claim.GROUPS
    request_body_limit: int = _DEFAULT_BODY_LIMIT
    item_limit: int = _DEFAULT_ITEM_LIMIT
    realtime_endpoint: str | None = None
    realtime_namespace: str = "default"
    from_email: str | None = None
    queue_url: str | None = None
    dead_letter_queue_url: str | None = None
    failed_records_bucket: str | None = None
    tenant_role_arn: str | None = None
    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sequences_override: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from environment variables (default: ``os.environ``).

        Raises:
            ConfigurationError: A variable cannot be used; the message names each one.
        """
        env = os.environ if environ is None else environ
        problems: list[str] = []
        node_env = env.get(Env.NODE_ENV) or None
        if node_env is not None and not re.fullmatch(ENV_NAME_PATTERN, node_env):
            problems.append(f"{Env.NODE_ENV} must match {ENV_NAME_PATTERN}, got {node_env!r}")
        attribute_limit = _positive(env.get(Env.ATTRIBUTE_LIMIT_SIZE), _DEFAULT_ATTRIBUTE_LIMIT, problems)
        body_limit = _byte_size(env, Env.REQUEST_BODY_SIZE_LIMIT, _DEFAULT_BODY_LIMIT, problems)
        item_limit = _byte_size(env, Env.ITEM_SIZE_LIMIT, _DEFAULT_ITEM_LIMIT, problems)
        modules = _read_modules(env.get(Env.MODULES), problems)
        features = _read_features(env.get(Env.FEATURES), problems)
        if problems:
            raise ConfigurationError("; ".join(problems))
        return cls(
            node_env=node_env,
            app_name=env.get(Env.APP_NAME) or None,
            function=env.get(Env.FUNCTION) or None,
            modules=modules,
            session_table_override=env.get(Env.SESSION_TABLE_NAME) or None,
            master_data_override=env.get(Env.MASTER_DATA_TABLE_NAME) or None,
            ryw_session_seconds=_minutes_to_seconds(env.get(Env.RYW_SESSION_TTL_MINUTES)),
            state_machine_arn=env.get(Env.SFN_COMMAND_ARN) or None,
            apply_machine_arn=env.get(Env.SFN_APPLY_ARN) or None,
            topic_arn=env.get(Env.SNS_TOPIC_ARN) or None,
            alarm_topic_arn=env.get(Env.SNS_ALARM_TOPIC_ARN) or None,
            bucket_name=env.get(Env.S3_BUCKET_NAME) or None,
            attribute_limit=attribute_limit,
            common_tenant_codes=_names(env.get(Env.COMMON_TENANT_CODES), "common"),
            cross_tenant_roles=_names(env.get(Env.CROSS_TENANT_ROLES), "system_admin"),
            user_claim=env.get(Env.USER_CLAIM) or Claim.USER,
            tenant_claim=env.get(Env.TENANT_CLAIM) or Claim.TENANT,
            roles_claim=env.get(Env.ROLES_CLAIM) or Claim.ROLES,
            groups_claim=env.get(Env.GROUPS_CLAIM) or Claim.GROUPS,
            request_body_limit=body_limit,
            item_limit=item_limit,
            realtime_endpoint=env.get(Env.APPSYNC_EVENTS_ENDPOINT) or None,
            realtime_namespace=env.get(Env.APPSYNC_EVENTS_NAMESPACE) or "default",
            from_email=env.get(Env.SES_FROM_EMAIL) or None,
            queue_url=env.get(Env.NOTIFICATION_QUEUE_URL) or None,
            dead_letter_queue_url=env.get(Env.DEAD_LETTER_QUEUE_URL) or None,
            failed_records_bucket=env.get(Env.FAILED_RECORDS_BUCKET_NAME) or None,
            tenant_role_arn=env.get(Env.TENANT_ROLE_ARN) or None,
            features=features,
            sequences_override=env.get(Env.SEQUENCES_TABLE_NAME) or None,
            endpoints={s: env[f"{s}_ENDPOINT"] for s in _SERVICES if env.get(f"{s}_ENDPOINT")},
            regions={s: env[f"{s}_REGION"] for s in _SERVICES if env.get(f"{s}_REGION")},
        )

    def tables_of(self, module: str) -> ModuleTables:
        """Table names of ``module``: those given in `Env.MODULES`, else by convention.

        Without `Env.MODULES` every module is taken to follow the convention and to have a sync
        table; with it, a module has one when its entry says so. A command table of the
        conventional name has the index of what is under way, another one when its entry says so.

        Raises:
            ModuleMismatchError: The module is not deployed.
            ConfigurationError: A name follows the convention but ``NODE_ENV`` or ``APP_NAME`` is
                missing.
        """
        given = self._module(module, KIND_COMMANDS, {"sync": True})
        has_sync_table = bool(given.get("sync"))
        names = {
            key: given.get(key) or self._conventional(f"{module}-{suffix}")
            for key, suffix in _TABLE_KEYS.items()
            if key != "sync_table" or has_sync_table
        }
        return ModuleTables(
            command=names["command"],
            data=names["data"],
            history=names["history"],
            sync=names.get("sync_table", ""),
            mode=given.get("mode", MODE_WORKFLOW),
            has_sync_table=has_sync_table,
            # The constructs give a table of their own making the index, and the conventional name.
            has_open_index=bool(given.get(_OPEN_INDEX_KEY, "command" not in given)),
        )

    def event_tables_of(self, module: str) -> EventTables:
        """Table names of ``module``, which keeps events: those given in `Env.MODULES`, else by convention.

        Without `Env.MODULES` every module is taken to have handlers, and its events table both indexes: a
        commit that is not in the index would be missed by whoever reads that.

        Raises:
            ModuleMismatchError: The module is not deployed, or keeps commands.
            ConfigurationError: A name follows the convention but ``NODE_ENV`` or ``APP_NAME`` is
                missing.
        """
        given = self._module(module, KIND_EVENTS, {"handlers": True, "feed": True, "aggregates": True})
        names = {
            key: given.get(key) or self._conventional(f"{module}-{suffix}")
            for key, suffix in _EVENT_TABLE_KEYS.items()
        }
        return EventTables(
            events=names["events"],
            sync=names["sync_table"],
            has_handlers=bool(given.get("handlers")),
            has_feed_index=bool(given.get("feed")),
            has_aggregates_index=bool(given.get("aggregates")),
            is_exclusive=bool(given.get("exclusive")),
        )

    @property
    def state_machines(self) -> tuple[str, ...]:
        """ARNs of the state machines of commands: the whole one, and the one that only applies."""
        return tuple(arn for arn in (self.state_machine_arn, self.apply_machine_arn) if arn)

    def state_machines_of(self, module: str) -> tuple[str, ...]:
        """`state_machines`, and first the one that the commands of ``module`` are started in.

        Where the deployment says that the module has no data sync handlers, that is the one that only
        applies, if there is one.
        """
        said = (self.modules or {}).get(module)
        has_none = said is not None and not said.get("sync")
        return self.state_machines[::-1] if has_none else self.state_machines

    def _module(self, module: str, kind: str, assumed: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the deployment says of a module; ``assumed`` where nothing says what is deployed."""
        if self.modules is None:
            return assumed
        if module not in self.modules:
            msg = f"{Env.MODULES} does not name the module {module!r}; deployed are {sorted(self.modules)}"
            raise ModuleMismatchError(module, msg)
        given = self.modules[module]
        if (deployed := given.get("kind", KIND_COMMANDS)) != kind:
            msg = f"module {module!r} is deployed as one of {deployed}, and the code has it as one of {kind}"
            raise ModuleMismatchError(module, msg)
        return given

    @property
    def session_table(self) -> str:
        """Name of the table that the sessions of read-your-writes live in."""
        return self.session_table_override or self._conventional(SESSION_NAME)

    @property
    def has_sessions(self) -> bool:
        """Whether the functions of the deployment note who published what, be it not this one."""
        return self.ryw_session_seconds is not None or self.session_table_override is not None

    @property
    def master_data_table(self) -> str | None:
        """Name of the table with the retention settings, or None when there is none."""
        if self.master_data_override or self.modules is not None:
            return self.master_data_override
        return self._conventional(MASTER_DATA_NAME)

    @property
    def sequences_table(self) -> str:
        """Name of the table that numbers are counted in."""
        return self.sequences_override or self.feature_table(SEQUENCE_FEATURE, SEQUENCES_NAME)

    def feature_table(self, feature: str, name: str) -> str:
        """Physical name of a feature's table: what the deployment says, else by convention.

        Args:
            feature: Name of the feature; in `Env.FEATURES` it may say ``{"table": "its name"}``.
            name: Last part of the conventional name, ``{NODE_ENV}-{APP_NAME}-{name}``.

        Raises:
            ConfigurationError: Neither is known, as ``NODE_ENV`` or ``APP_NAME`` is missing.
        """
        return str(
            self.features.get(feature, {}).get(FEATURE_TABLE) or self._conventional(name, Env.FEATURES)
        )

    def _conventional(self, name: str, instead: str = Env.MODULES) -> str:
        if not self.node_env or not self.app_name:
            missing = Env.APP_NAME if self.node_env else Env.NODE_ENV
            msg = f"{missing} is not set, so the table name of {name} is unknown; set it, or {instead}"
            raise ConfigurationError(msg)
        return f"{self.node_env}-{self.app_name}-{name}"


def _minutes_to_seconds(text: str | None) -> int | None:
    # Unset, zero and anything that is not a positive number switch read-your-writes off.
    try:
        minutes = float(text or 0)
    except ValueError:
        return None
    return round(minutes * 60) if math.isfinite(minutes) and minutes > 0 else None


def _positive(text: str | None, default: int, problems: list[str]) -> int:
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        problems.append(f"{Env.ATTRIBUTE_LIMIT_SIZE} must be a positive number of bytes, got {text!r}")
        return default
    return int(text)


def _byte_size(env: Mapping[str, str], name: str, default: int, problems: list[str]) -> int:
    """Bytes of a size such as ``100kb``, as the reference system writes it."""
    text = env.get(name)
    if not text:
        return default
    match = _BODY_LIMIT.fullmatch(text.strip())
    size = int(match[1]) * _BYTES[(match[2] or "b").lower()] if match else 0
    if size < 1:
        problems.append(f"{name} must be a size such as 100kb or 1mb, got {text!r}")
    return size


def _names(text: str | None, default: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    return names or (default,)


def _in_full(module: dict[str, Any] | str) -> dict[str, Any]:
    """What is said of a module, also where it is said in words; see `runtime.contract.KIND_EVENTS`."""
    if isinstance(module, dict):
        return module
    kind, *flags = module.split() or [""]
    return {"kind": kind, **dict.fromkeys(flags, True)}


def _read_modules(text: str | None, problems: list[str]) -> dict[str, dict[str, Any]] | None:
    if not text:
        return None
    try:
        modules = json.loads(text)
    except ValueError as error:
        problems.append(f"{Env.MODULES} must be a JSON object, got {error}")
        return None
    if not isinstance(modules, dict) or not all(isinstance(m, dict | str) for m in modules.values()):
        problems.append(f"{Env.MODULES} must map module names to objects, got {text!r}")
        return None
    modules = {name: _in_full(module) for name, module in modules.items()}
    for name, module in modules.items():
        kind = module.get("kind", KIND_COMMANDS)
        if kind not in KINDS:
            problems.append(f"{Env.MODULES}.{name}.kind must be one of {KINDS}, got {kind!r}")
            continue
        if unknown := set(module) - _KEYS_OF_KIND[kind]:
            problems.append(f"{Env.MODULES}.{name} has unknown keys {sorted(unknown)}")
        if module.get("mode", MODE_WORKFLOW) not in MODES:
            problems.append(f"{Env.MODULES}.{name}.mode must be one of {MODES}, got {module['mode']!r}")
    return modules


def _read_features(text: str | None, problems: list[str]) -> dict[str, dict[str, Any]]:
    if not text:
        return {}
    try:
        features = json.loads(text)
    except ValueError as error:
        problems.append(f"{Env.FEATURES} must be a JSON object, got {error}")
        return {}
    if not isinstance(features, dict) or not all(isinstance(said, dict) for said in features.values()):
        problems.append(f"{Env.FEATURES} must map names of features to objects, got {text!r}")
        return {}
    return features
