"""A service whose modules are all of events, deployed: what is left out is missed by nobody."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.local import CdkCli
from runtime.clients.notifications import ACTION_ALARM
from tests.e2e.deployment import Deployment
from tests.e2e.shelves import MODULE, Shelves
from tests.support.polling import wait_until
from tests.support.program import Program

if TYPE_CHECKING:
    from constructs_lib.local import Emulator


@pytest.fixture(scope="module")
def alone(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    store = tmp_path_factory.mktemp("alone") / "store.db"
    app = str(Path(__file__).with_name("alone.py"))
    cli = CdkCli(emulator, app=app, context={"store_file": str(store)}, on_line=print)
    cli.bootstrap()
    # The check of the code is part of it: it has called every function.
    return Deployment(emulator, cli.deploy()["EventsAlone"], store, app_name="alone")


@pytest.fixture
def cqrs(alone: Deployment) -> Program:
    return Program(
        {**alone.emulator.environment, "CQRS_FUNCTION_NAME": alone.outputs["OperatorFunctionName"]}
    )


def test_events_go_all_the_way(alone: Deployment) -> None:
    shelves, book, ann = Shelves(alone), f"B{uuid.uuid4().hex[:10]}", f"R{uuid.uuid4().hex[:10]}"
    assert shelves.do(f"readers/{ann}/join", name="Ann").status_code == 200
    shelves.acquire(book, title="Emma")
    seen = alone.request("GET", "/catalogue", headers={"min-version": f"{book}@1"})
    assert (seen.status_code, seen.json().get(book)) == (200, "Emma")
    assert shelves.do(f"books/{book}/lend-book", reader=ann).status_code == 200
    shelves.wait_until_seen("catalogue", book, 1, 2)
    # The reaction has executed a command.
    wait_until(lambda: shelves.cursor(shelves.pk(book), "loans@1").get("version") == 2, seconds=30)
    counted = alone.request("GET", f"/readers/{ann}")
    assert (counted.status_code, counted.json()["state"]["loans"]) == (200, 1)


def test_operators_see_and_mend_what_is_parked(alone: Deployment, cqrs: Program) -> None:
    shelves, book = Shelves(alone), f"B{uuid.uuid4().hex[:10]}"
    with alone.inbox("AlarmTopicArn") as inbox:
        shelves.acquire(book, title="Ulysses", fails=1000)
        assert shelves.wait_until_parked(book)["parkedVersion"] == 1
        alarm = wait_until(
            lambda: next((told for told in inbox.bodies() if told["pk"] == shelves.pk(book)), None),
            seconds=30,
        )
        assert alarm
        assert (alarm["action"], alarm["table"]) == (ACTION_ALARM, MODULE)
    found = cqrs("status", "--json", code=1).document
    assert [found[name] for name in ("deadLetters", "notificationQueue", "executions")] == [None] * 3
    assert found["attention"] == [{"what": "parked", "count": 1, "command": "cqrs redrive --all"}]
    alone.heal(f"{shelves.pk(book)}@1")
    cqrs("redrive", "--all", "--json")
    shelves.wait_until_seen("catalogue", book, 1)
    cqrs("status")


def test_operators_ask_for_what_is_there_only(alone: Deployment, cqrs: Program) -> None:
    shelves, book = Shelves(alone), f"B{uuid.uuid4().hex[:10]}"
    shelves.acquire(book)
    shelves.wait_until_seen("catalogue", book, 1)
    replayed = cqrs("replay-dlq", "--json").document
    assert replayed["notifications"] is None
    refused = cqrs("replay-dlq", "--only", "notifications", code=4)
    assert "the service has no place where notifications that failed are kept" in refused.err
    cqrs("events", "verify", "--module", MODULE)
    cqrs("handlers", "list", "--module", MODULE)
