"""What handlers work on stays out of the log, also where they fail and quote it.

Here is what needs no deployed stack: each kind of event that a function can get, and e-mail.
`tests/e2e/test_secrets.py` looks into the logs, executions and topics of a stack.
"""

from __future__ import annotations

import io
import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from pydantic import TypeAdapter, ValidationError

from runtime import (
    ConfigurationError,
    CqrsApp,
    DeliveryError,
    PreviousVersionPending,
    Recipients,
    Settings,
    UnknownTriggerError,
    VersionConflictError,
)
from runtime.entry.hidden_error import hidden, is_shown
from runtime.entry.queue import log_notification
from runtime.log import logger
from runtime.sql import engine_from_environment
from tests.runtime.test_event_sources import ARN, CONTEXT, change, click, message, notice, upload
from tests.support.secrets import Secrets
from tests.support.service import TestResources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator


pytestmark = pytest.mark.usefixtures("in_lambda")


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Everything that a function writes: by any logger that is on, and to its standard output."""
    stream = io.StringIO()
    mine = logging.StreamHandler(stream)
    mine.setFormatter(logger.registered_formatter)
    loggers: list[Any] = [logger, logging.getLogger()]
    for one in loggers:
        one.addHandler(mine)

    def text() -> str:
        captured = capsys.readouterr()
        return stream.getvalue() + captured.out + captured.err

    yield text
    logging.getLogger().removeHandler(mine)
    logger.removeHandler(mine)


def lookup(event: Any) -> None:
    """A handler that fails as code does: with what it was looking for, twice."""
    text = json.dumps(event)
    try:
        _ = {}[text]
    except KeyError as error:
        message = f"no such customer: {text}"
        raise LookupError(message) from error


@pytest.fixture
def app() -> CqrsApp:
    app = CqrsApp(modules=[])
    app.on_queue("orders", lookup)
    app.on_sns("orders", lookup)
    app.on_s3("uploads", lookup)
    app.on_kinesis("clicks", lookup)
    app.on_stream("stock", lookup)
    app.on_event(source="shop", handler=lookup)
    app.on_task("charge", lookup)
    return app


def invoked(app: CqrsApp, event: Any) -> str:
    """An invocation as Lambda sees it: what it answers, or writes down of the error."""
    try:
        return json.dumps(app(event, None))
    except Exception as error:  # noqa: BLE001 - as Lambda does
        return f"[ERROR] {type(error).__name__}: {error}\n{traceback.format_exc()}"


TASK = {"context": CONTEXT | {"StateMachine": {"Id": ARN.format("states", "stateMachine:mine")}}}
REPORTED: dict[str, Callable[[str], dict[str, Any]]] = {
    "queue": lambda text: {"Records": [message("m1", text)]},
    "kinesis": lambda text: {"Records": [click(1, text)]},
    "stream": lambda text: {"Records": [change(1, text)]},
}
RAISED: dict[str, Callable[[str], dict[str, Any]]] = {
    "topic": lambda text: notice(text=text),
    "bucket": lambda text: upload(key=text),
    "bus": lambda text: {"source": "shop", "detail-type": "sold", "detail": {"to": text}},
    "task": lambda text: TASK | {"action": "charge", "input": {"card": text}},
}


@pytest.mark.parametrize("kind", REPORTED)
def test_a_record_that_is_refused(app: CqrsApp, log: Any, secrets: Secrets, kind: str) -> None:
    answer = invoked(app, REPORTED[kind](secrets[kind]))
    written = log()
    assert json.loads(answer)["batchItemFailures"]
    assert '"error":"LookupError"' in written
    assert secrets.found_in([answer, written]) == {}


@pytest.mark.parametrize("kind", RAISED)
def test_an_event_that_is_refused(app: CqrsApp, log: Any, secrets: Secrets, kind: str) -> None:
    answer = invoked(app, RAISED[kind](secrets[kind]))
    assert answer.startswith("[ERROR] LookupError: the text is left out")
    assert "in lookup" in answer  # where it came from
    assert secrets.found_in([answer, log()]) == {}


@pytest.fixture
def at_debug() -> Iterator[None]:
    logger.setLevel("DEBUG")
    yield
    logger.setLevel("INFO")


@pytest.mark.usefixtures("at_debug")
@pytest.mark.parametrize("kind", RAISED)
def test_debug_shows_the_text(app: CqrsApp, secrets: Secrets, kind: str) -> None:
    answer = invoked(app, RAISED[kind](secrets[kind]))
    assert set(secrets.found_in([answer])) == {kind}


@pytest.mark.usefixtures("at_debug")
@pytest.mark.parametrize("kind", REPORTED)
def test_debug_shows_the_text_of_what_is_only_reported(
    app: CqrsApp, log: Any, secrets: Secrets, kind: str
) -> None:
    invoked(app, REPORTED[kind](secrets[kind]))
    assert set(secrets.found_in([log()])) == {kind}


@pytest.mark.parametrize(
    ("variables", "is_shown_there"),
    [
        ({}, True),
        ({"NODE_ENV": "local"}, True),
        ({"NODE_ENV": "dev"}, True),
        ({"NODE_ENV": "stg"}, False),
        ({"NODE_ENV": "prod"}, False),
        ({"NODE_ENV": "Production"}, False),
        ({"NODE_ENV": "pr-42"}, False),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "NODE_ENV": "local"}, False),
        ({"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, False),
    ],
    ids=str,
)
def test_ones_own_machine_shows_the_text(  # noqa: PLR0917 - fixtures
    app: CqrsApp,
    log: Any,
    secrets: Secrets,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    is_shown_there: bool,  # noqa: FBT001
) -> None:
    for name in ("AWS_LAMBDA_FUNCTION_NAME", "AWS_EXECUTION_ENV", "NODE_ENV"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for kind, make in REPORTED.items():
        invoked(app, make(secrets[kind]))
    shown = {kind: invoked(app, make(secrets[kind])) for kind, make in RAISED.items()}
    found = set(secrets.found_in([log(), *shown.values()]))
    assert found == ({*REPORTED, *RAISED} if is_shown_there else set())
    assert all("LookupError" in text for text in shown.values())


def test_what_nobody_handles_is_named(app: CqrsApp, secrets: Secrets) -> None:
    answer = invoked(app, notice(topic="unknown", text=secrets["message"]))
    assert answer.startswith("[ERROR] UnknownTriggerError: nobody handles SNS records of 'unknown'")
    assert secrets.found_in([answer]) == {}


class Picky(Exception):  # noqa: N818
    """An error that cannot be inherited from."""

    def __init_subclass__(cls) -> None:
        raise TypeError(cls)


def broken(secret: str) -> list[Exception]:
    """Errors of many kinds, each with the secret in it."""
    try:
        TypeAdapter(int).validate_python(secret)
    except ValidationError as error:
        invalid = error
    response: Any = {"Error": {"Code": "ValidationException", "Message": secret}}
    return [
        invalid,
        ValueError(secret),
        KeyError(secret),
        OSError(2, secret, secret),
        UnicodeDecodeError("utf-8", secret.encode(), 0, 1, secret),
        json.JSONDecodeError(secret, secret, 0),
        ClientError(response, "PutItem"),
        VersionConflictError(secret, secret, 1),
        ExceptionGroup(secret, [ValueError(secret)]),
        Picky(secret),
    ]


def test_an_error_keeps_its_name_and_loses_the_rest(secrets: Secrets) -> None:
    for error in broken(secrets["error"]):
        error.__cause__ = ValueError(secrets["cause"])
        error.add_note(secrets["note"])
        silent = hidden(error)
        shown = [
            str(silent), repr(silent), repr(silent.args), repr(vars(silent)),
            "".join(traceback.format_exception(silent)),
        ]  # fmt: skip
        assert (type(silent).__name__, type(silent).__module__) == (
            type(error).__name__,
            type(error).__module__,
        )
        assert secrets.found_in(shown) == {}, type(error)
        assert not is_shown(error)


def test_an_error_can_still_be_caught_by_its_class() -> None:
    assert isinstance(hidden(VersionConflictError("pk", "sk", 1)), VersionConflictError)
    assert isinstance(hidden(ConnectionError("text")), OSError)


@pytest.mark.parametrize("kind", [ConfigurationError, UnknownTriggerError, PreviousVersionPending])
def test_what_the_library_says_about_the_deployment_is_shown(kind: type[Exception]) -> None:
    assert is_shown(kind("SFN_COMMAND_ARN is not set"))


def test_an_email_that_is_refused(
    emulator: Emulator, log: Any, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, emulator.environment[name])
    environment = {"SES_ENDPOINT": emulator.endpoint_url, "SES_REGION": emulator.region}
    resources = TestResources(emulator, Settings.from_environment(environment))
    with pytest.raises(DeliveryError) as refused:
        resources.email.send_email(
            Recipients(to=[f"{secrets['to']}@example.com"]),
            subject=secrets["subject"],
            html=secrets["html"],
            sender=f"{secrets['sender']}@example.com",
        )
    written = log()
    assert "e-mail not sent" in written
    assert secrets.found_in([written, str(refused.value)]) == {}


def test_a_notification_in_the_log_names_no_key(log: Any, secrets: Secrets) -> None:
    about = {"action": "command-status", "table": "local-shop-todo-command", "tenantCode": "acme"}
    about |= {"pk": f"TODO#{secrets['pk']}", "sk": f"{secrets['sk']}@1"}
    status = {"status": "finish:FINISHED", "source": secrets["source"]}
    log_notification({**about, "id": "the-request", "content": status})
    log_notification({**about, "id": f"{about['table']}#{about['pk']}#{about['sk']}", "content": status})
    written = log()
    assert len({line for line in written.splitlines() if "finish:FINISHED" in line}) == 2
    assert "the-request" in written
    assert secrets.found_in([written]) == {}


def test_a_database_that_cannot_be_reached(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://app:{secrets['password']}@127.0.0.1:9/shop"
    monkeypatch.setenv("DATABASE_URL", url)
    engine = engine_from_environment()
    with pytest.raises(Exception, match="refused") as failed, engine.connect():
        pass
    assert secrets.found_in([str(failed.value), repr(engine)]) == {}
