"""The constructs set exactly the variables that the runtime knows, and it can read their values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack, EventModule, Processing
from runtime.contract import Action, Env, FunctionKind
from runtime.settings import Settings
from tests.constructs.conftest import new_app

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib import CqrsFunctions

# What no construct decides: a user may set these on the functions that run the service's code.
USERS_OWN = {
    Env.LOG_LEVEL,
    Env.ATTRIBUTE_LIMIT_SIZE,
    Env.ITEM_SIZE_LIMIT,
    Env.COMMON_TENANT_CODES,
    Env.CROSS_TENANT_ROLES,
    Env.USER_CLAIM,
    Env.TENANT_CLAIM,
    Env.ROLES_CLAIM,
    Env.GROUPS_CLAIM,
    Env.REQUEST_BODY_SIZE_LIMIT,
    Env.SES_FROM_EMAIL,
    Env.SEQUENCES_TABLE_NAME,  # for a function of one's own beside `Sequences`; a stack has CQRS_FEATURES
}


def constants(names: type) -> set[str]:
    return {value for name, value in vars(names).items() if name.isupper()}


class Billing:
    """A feature of the user's own, with something to say."""

    def connect(self, functions: CqrsFunctions) -> None:
        functions.add_feature("billing", {"table": "bills"})


def template(folder: Path) -> Template:
    (folder / "main.py").write_text("app = None\n", encoding="utf-8")
    modules: list[CqrsModule | EventModule] = [
        CqrsModule("order", data_sync=True),
        CqrsModule("note", processing=Processing.INLINE),
        EventModule("blog", handlers=True),
    ]
    stack = CqrsStack(
        new_app(),
        "Shop",
        app_name="shop",
        modules=modules,
        code=folder,
        master_data=True,
        realtime=True,
        sequences=True,
        features=[Billing()],
        tenant_sessions=True,
        alarm_emails=["on-call@example.com"],
    )
    return Template.from_stack(stack)


def environments(folder: Path) -> list[dict[str, Any]]:
    functions = template(folder).find_resources("AWS::Lambda::Function").values()
    ours = [function["Properties"] for function in functions if "Layers" in function["Properties"]]
    return [function["Environment"]["Variables"] for function in ours]


def test_the_constructs_set_every_variable_but_the_users_own(tmp_path: Path) -> None:
    used = {name for environment in environments(tmp_path) for name in environment}
    assert used == constants(Env) - USERS_OWN


def test_the_runtime_reads_what_the_constructs_set(tmp_path: Path) -> None:
    for environment in environments(tmp_path):
        deployed = {
            name: value if isinstance(value, str) else "deployed" for name, value in environment.items()
        }
        settings = Settings.from_environment(deployed)
        assert settings.function in constants(FunctionKind)
        assert settings.event_tables_of("blog").has_handlers
        assert settings.tables_of("order").has_sync_table
        assert not settings.tables_of("note").has_sync_table
        assert (settings.tables_of("order").mode, settings.tables_of("note").mode) == ("workflow", "inline")
        if settings.function == FunctionKind.API:
            assert settings.ryw_session_seconds == 300


def test_the_state_machines_ask_for_every_action_of_the_worker(tmp_path: Path) -> None:
    machines = template(tmp_path).find_resources("AWS::StepFunctions::StateMachine")
    definitions = {name: json.dumps(of["Properties"]["DefinitionString"]) for name, of in machines.items()}
    (whole,) = (text for name, text in definitions.items() if "ApplyOnly" not in name)
    (short,) = (text for name, text in definitions.items() if "ApplyOnly" in name)

    def asked(text: str) -> set[str]:
        return {action for action in constants(Action) if f'\\"action\\":\\"{action}\\"' in text}

    assert asked(whole) == constants(Action)
    assert asked(short) == {Action.APPLY, Action.FAIL}
