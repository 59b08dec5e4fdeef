from __future__ import annotations

import pytest

from runtime import ConfigurationError, ModuleMismatchError, Settings
from runtime.contract import MODE_INLINE
from runtime.settings import EventTables

BASE = {"NODE_ENV": "dev", "APP_NAME": "shop"}


def test_tables_follow_the_convention() -> None:
    settings = Settings.from_environment(BASE)
    tables = settings.tables_of("order")
    assert (tables.command, tables.data, tables.history, tables.sync) == (
        "dev-shop-order-command",
        "dev-shop-order-data",
        "dev-shop-order-history",
        "dev-shop-order-sync",
    )
    assert settings.session_table == "dev-shop-session"


@pytest.mark.parametrize("name", ["local", "test", "pr-42", "Prod", "eu.blue_1"])
def test_an_environment_has_any_name_that_tables_can_have(name: str) -> None:
    settings = Settings.from_environment({"NODE_ENV": name, "APP_NAME": "shop"})
    assert settings.tables_of("order").command == f"{name}-shop-order-command"


def test_modules_may_deviate() -> None:
    modules = '{"order": {"mode": "inline", "command": "C1", "sync": true, "sync_table": "S1"}}'
    tables = Settings.from_environment(BASE | {"CQRS_MODULES": modules}).tables_of("order")
    assert (tables.command, tables.data, tables.sync) == ("C1", "dev-shop-order-data", "S1")
    assert (tables.mode, tables.has_sync_table) == (MODE_INLINE, True)


def test_a_module_has_a_sync_table_only_when_its_deployment_says_so() -> None:
    settings = Settings.from_environment(BASE | {"CQRS_MODULES": '{"order": {}}'})
    assert settings.tables_of("order").has_sync_table is False


@pytest.mark.parametrize(
    ("module", "has_index"),
    [
        ("{}", True),
        ('{"command": "C1"}', False),
        ('{"command": "C1", "open": true}', True),
        ('{"open": false}', False),
    ],
)
def test_an_index_of_what_is_under_way_comes_with_the_conventional_name(
    module: str, *, has_index: bool
) -> None:
    settings = Settings.from_environment(BASE | {"CQRS_MODULES": f'{{"order": {module}}}'})
    assert settings.tables_of("order").has_open_index is has_index
    assert Settings.from_environment(BASE).tables_of("order").has_open_index is True


def test_a_module_that_is_not_deployed_is_named() -> None:
    settings = Settings.from_environment(BASE | {"CQRS_MODULES": '{"order": {}}'})
    with pytest.raises(ConfigurationError, match=r"module 'oder'; deployed are \['order'\]"):
        settings.tables_of("oder")


def test_tables_of_events_follow_the_convention_too() -> None:
    modules = '{"blog": {"kind": "events"}, "audit": {"kind": "events", "events": "E", "sync_table": "S"}}'
    settings = Settings.from_environment(BASE | {"CQRS_MODULES": modules})
    assert settings.event_tables_of("blog") == EventTables(
        events="dev-shop-blog-events", sync="dev-shop-blog-sync"
    )
    audit = settings.event_tables_of("audit")
    assert (audit.events, audit.sync) == ("E", "S")


def test_what_a_deployment_says_of_events() -> None:
    said = '"handlers": true, "feed": true, "aggregates": true, "exclusive": true'
    modules = f'{{"blog": {{"kind": "events", {said}}}}}'
    tables = Settings.from_environment(BASE | {"CQRS_MODULES": modules}).event_tables_of("blog")
    assert tables.has_handlers
    assert tables.has_feed_index
    assert tables.has_aggregates_index
    assert tables.is_exclusive


def test_a_module_of_events_may_be_told_in_words() -> None:
    modules = '{"blog": "events handlers feed", "audit": "events", "order": {}}'
    settings = Settings.from_environment(BASE | {"CQRS_MODULES": modules})
    assert settings.modules == {
        "blog": {"kind": "events", "handlers": True, "feed": True},
        "audit": {"kind": "events"},
        "order": {},
    }


def test_where_nothing_says_what_is_deployed_no_event_is_kept_from_an_index() -> None:
    tables = Settings.from_environment(BASE).event_tables_of("blog")
    assert (tables.events, tables.sync) == ("dev-shop-blog-events", "dev-shop-blog-sync")
    assert (tables.has_handlers, tables.has_feed_index, tables.has_aggregates_index) == (True, True, True)
    assert not tables.is_exclusive


def test_a_module_is_of_one_kind() -> None:
    modules = '{"blog": {"kind": "events"}, "order": {}, "bill": {"kind": "commands"}}'
    settings = Settings.from_environment(BASE | {"CQRS_MODULES": modules})
    message = "'blog' is deployed as one of events, and the code has it as one of commands"
    with pytest.raises(ModuleMismatchError, match=message):
        settings.tables_of("blog")
    for name in ("order", "bill"):
        assert settings.tables_of(name).mode == "workflow"
        with pytest.raises(ModuleMismatchError, match="as one of commands, and the code has it as one of ev"):
            settings.event_tables_of(name)
    with pytest.raises(ModuleMismatchError, match="does not name the module 'blok'"):
        settings.event_tables_of("blok")


@pytest.mark.parametrize("missing", ["NODE_ENV", "APP_NAME"])
def test_a_name_that_cannot_be_derived_says_what_is_missing(missing: str) -> None:
    settings = Settings.from_environment({k: v for k, v in BASE.items() if k != missing})
    with pytest.raises(ConfigurationError, match=f"{missing} is not set"):
        settings.tables_of("order")


def test_tables_that_are_all_given_need_no_convention() -> None:
    modules = '{"order": {"command": "C", "data": "D", "history": "H"}}'
    assert Settings.from_environment({"CQRS_MODULES": modules}).tables_of("order").data == "D"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"NODE_ENV": "my env"}, "NODE_ENV must match [A-Za-z0-9][A-Za-z0-9_.-]{0,63}, got 'my env'"),
        ({"CQRS_MODULES": "{"}, "CQRS_MODULES must be a JSON object"),
        ({"CQRS_MODULES": "[]"}, "CQRS_MODULES must map module names"),
        ({"CQRS_MODULES": '{"a": {"mode": "fast"}}'}, "CQRS_MODULES.a.mode must be one of"),
        ({"CQRS_MODULES": '{"a": {"comand": "x"}}'}, "CQRS_MODULES.a has unknown keys"),
        ({"CQRS_MODULES": '{"a": {"kind": "event"}}'}, "CQRS_MODULES.a.kind must be one of ('commands', 'ev"),
        ({"CQRS_MODULES": '{"a": {"kind": "events", "mode": "inline"}}'}, "a has unknown keys ['mode']"),
        ({"CQRS_MODULES": '{"a": "events sync"}'}, "CQRS_MODULES.a has unknown keys ['sync']"),
        ({"CQRS_MODULES": '{"a": ""}'}, "CQRS_MODULES.a.kind must be one of ('commands', 'events'), got ''"),
        ({"CQRS_MODULES": '{"a": 1}'}, "CQRS_MODULES must map module names"),
        ({"CQRS_MODULES": '{"a": {"handlers": true}}'}, "CQRS_MODULES.a has unknown keys ['handlers']"),
        ({"CQRS_FEATURES": "{"}, "CQRS_FEATURES must be a JSON object"),
        ({"CQRS_FEATURES": "[]"}, "CQRS_FEATURES must map names of features to objects, got '[]'"),
        ({"CQRS_FEATURES": '{"a": true}'}, "CQRS_FEATURES must map names of features to objects"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(environ)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 300), ("0.5", 30), *((off, None) for off in ("", "0", "-1", "soon", "nan", "inf"))],
)
def test_read_your_writes_is_on_for_a_positive_number_of_minutes(text: str, seconds: int | None) -> None:
    settings = Settings.from_environment({"RYW_SESSION_TTL_MINUTES": text})
    assert settings.ryw_session_seconds == seconds


@pytest.mark.parametrize(
    ("environ", "table"),
    [
        ({"NODE_ENV": "dev", "APP_NAME": "shop"}, "dev-shop-sequences"),
        ({"NODE_ENV": "dev", "APP_NAME": "shop", "CQRS_FEATURES": '{"sequence": {}}'}, "dev-shop-sequences"),
        ({"CQRS_FEATURES": '{"sequence": {"table": "counters"}}'}, "counters"),
        ({"SEQUENCES_TABLE_NAME": "mine", "CQRS_FEATURES": '{"sequence": {"table": "counters"}}'}, "mine"),
    ],
)
def test_the_table_of_sequences(environ: dict[str, str], table: str) -> None:
    assert Settings.from_environment(environ).sequences_table == table


def test_a_table_of_a_feature_that_cannot_be_named_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="table name of bills is unknown; set it, or CQRS_FEATURES"):
        Settings().feature_table("billing", "bills")


def test_lists_are_split_and_trimmed() -> None:
    settings = Settings.from_environment({"COMMON_TENANT_CODES": " shared , all ", "CROSS_TENANT_ROLES": ","})
    assert settings.common_tenant_codes == ("shared", "all")
    assert settings.cross_tenant_roles == ("system_admin",)


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, 102_400), ("", 102_400), ("2048", 2048), ("1kb", 1024), ("2 MB", 2 * 1024**2), ("5b", 5)],
)
def test_the_body_limit_is_written_as_a_size(text: str | None, size: int) -> None:
    environment = {"REQUEST_BODY_SIZE_LIMIT": text} if text is not None else {}
    assert Settings.from_environment(environment).request_body_limit == size


@pytest.mark.parametrize("text", ["much", "-1", "0", "1.5mb", "1gb"])
def test_a_body_limit_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="REQUEST_BODY_SIZE_LIMIT"):
        Settings.from_environment({"REQUEST_BODY_SIZE_LIMIT": text})


@pytest.mark.parametrize(
    ("modules", "first"),
    [
        ({"order": {"sync": True}}, "whole"),
        ({"order": {"sync": False}}, "short"),
        ({"order": {}}, "short"),
        ({"other": {}}, "whole"),
        (None, "whole"),
    ],
    ids=["handlers", "none", "none said", "unknown", "no stack says"],
)
def test_commands_are_started_where_only_apply_is_left_to_do(
    modules: dict[str, dict[str, bool]] | None, first: str
) -> None:
    settings = Settings(state_machine_arn="whole", apply_machine_arn="short", modules=modules)
    assert settings.state_machines_of("order")[0] == first
    assert set(settings.state_machines_of("order")) == set(settings.state_machines) == {"whole", "short"}


def test_a_state_machine_that_was_brought_is_for_all_modules() -> None:
    environment = {"SFN_COMMAND_ARN": "brought", "CQRS_MODULES": '{"order": {}}'}
    assert Settings.from_environment(environment).state_machines_of("order") == ("brought",)
    told = environment | {"SFN_APPLY_ARN": "short"}
    assert Settings.from_environment(told).state_machines_of("order") == ("short", "brought")


def test_without_state_machines_there_are_none() -> None:
    assert Settings().state_machines_of("order") == Settings().state_machines == ()
