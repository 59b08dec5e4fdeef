"""Services that refuse, answer late or not at all, and come back."""

from __future__ import annotations

import json
import socket
import uuid
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.local import Postgres
from runtime import StoreUnavailableError, module_routes
from runtime.entry.http.api import HttpApi
from runtime.entry.worker import Worker
from tests.faults.answers import TROUBLES, first_tries
from tests.faults.test_crashes import asynchronous, synchronous, undisturbed_life
from tests.faults.world import World
from tests.support.checker import check_invariants
from tests.support.http_events import http_event
from tests.support.service import PK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from tests.faults.site import Process
    from tests.support.service import Service
    from tests.support.wire import Call

LIVES = {True: asynchronous, False: synchronous}
NEW = {"if-none-match": "*"}
CLAIMS = {"sub": "u1", "custom:tenant": "acme"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own waits between tries, which nothing here depends on."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))


def requests(process: Process) -> HttpApi:
    return HttpApi([module_routes(process.service.module, prefix="/todos", type="TODO")])


def put(api: HttpApi, sk: str = "A1") -> Any:
    body = {"code": sk, "name": "milk", "attributes": {"title": "milk"}}
    return api.handle(http_event("PUT", f"/todos/{sk}", body=body, claims=CLAIMS, headers=NEW), None)


class TestDynamoDB:
    @pytest.mark.parametrize("handlers", [True, False])
    def test_trouble_that_passes_is_not_noticed(
        self, open_site: Callable[..., Process], *, handlers: bool
    ) -> None:
        """The first try of every single request is refused, in each way there is."""
        process, life = open_site(handlers=handlers), LIVES[handlers]
        undisturbed = undisturbed_life(process, life)
        attempts = [kind for kind, _ in undisturbed.attempts]
        for number, (name, trouble) in enumerate(TROUBLES.items(), 1):
            refused, is_first = [], first_tries(1)

            def reply(call: Call, trouble: Any = trouble, is_first: Any = is_first) -> Any:
                answer = trouble(call)
                if answer is None or not is_first(call):
                    return None
                refused.append(call.operation)  # noqa: B023 - used in this round only
                return answer

            process.wire.answer(reply)
            world = World(process, f"TODO{number}#acme")
            life(world)
            process.wire.answer(lambda _call: None)
            assert len(refused) >= 4, f"{name} was not tried"
            assert [kind for kind, _ in world.attempts] == attempts, f"{name} made a process fail"
            world.check(undisturbed)

    @pytest.mark.parametrize("handlers", [True, False])
    @pytest.mark.parametrize("how", ["lose_answers", "time_out"])
    def test_a_write_whose_answer_is_lost_is_done_once(
        self, open_site: Callable[..., Process], how: str, *, handlers: bool
    ) -> None:
        process, life = open_site(handlers=handlers), LIVES[handlers]
        undisturbed = undisturbed_life(process, life)
        is_first = first_tries(1)
        getattr(process.wire, how)(lambda call: is_first(call) and "Get" not in call.operation)
        world = World(process, "TODO1#acme")
        life(world)
        assert len(world.accepted) == len(undisturbed.accepted)
        getattr(process.wire, how)(lambda _call: False)
        world.check(undisturbed)

    @pytest.mark.parametrize("name", TROUBLES)
    def test_trouble_that_stays_is_a_503_and_writes_nothing(
        self, open_site: Callable[..., Process], name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if name == "unprocessed keys":
            name = "throttled account"  # asked for again for as long as the function may run
        monkeypatch.setattr("runtime.store.dynamodb.back_off", lambda *_, **__: None)
        process = open_site(handlers=False)
        api = requests(process)
        process.wire.answer(TROUBLES[name])
        response = put(api)
        assert response["statusCode"] == 503
        assert int(response["headers"]["Retry-After"]) > 0
        problem = json.loads(response["body"])
        assert problem["type"] == "urn:problem-type:cqrs:unavailable"
        assert "botocore" not in response["body"]
        assert not any(process.service.everything().values())
        process.wire.answer(lambda _call: None)
        assert put(api)["statusCode"] in {200, 201, 202}


class TestSns:
    @pytest.fixture
    def black_hole(self) -> Iterator[str]:
        """Takes connections, and never answers."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"

    def make(self, make_service: Callable[..., Service], endpoint: str) -> Service:
        service = make_service(topic_arn="arn:aws:sns:us-east-1:000000000000:t", alarm_topic_arn=None)
        settings = service.resources.settings
        service.resources.settings = replace(settings, endpoints={**settings.endpoints, "SNS": endpoint})
        return service

    def test_one_that_never_answers_is_asked_for_one_message_only(
        self, make_service: Callable[..., Service], black_hole: str
    ) -> None:
        service = self.make(make_service, black_hole)
        for version in range(20):
            service.publish(version=version)
        reference = {"module": "todo", "pk": PK, "sk": "A1", "version": 20}
        Worker({"todo": service.module}).run({"action": "apply", "input": reference})
        service.publish_sync(version=20)
        check_invariants(service, accepted=[])
        assert service.wire.names().count("sns:Publish") == 2  # by the SDK; see tests/unit/test_notifier.py

    def test_one_that_is_down_fails_nothing(self, open_site: Callable[..., Process]) -> None:
        process = open_site()
        undisturbed = undisturbed_life(process, asynchronous)
        process.wire.answer(lambda call: (500, {}) if call.service == "sns" else None)
        world = World(process, "TODO1#acme")
        asynchronous(world)
        world.check(undisturbed)
        assert [kind for kind, _ in world.attempts] == [kind for kind, _ in undisturbed.attempts]
        assert not {name for _, names in world.attempts for name in names if name.startswith("sqs")}


class TestS3:
    def test_a_bucket_that_is_down(self, make_service: Callable[..., Service], emulator: Emulator) -> None:
        bucket = f"b{uuid.uuid4().hex}"
        emulator.client("s3").create_bucket(Bucket=bucket)
        service = make_service(bucket_name=bucket, attribute_limit=2_000)
        large = {"title": "x" * 5_000}
        service.publish(attributes=large)
        service.wire.answer(lambda call: (503, {}) if call.service == "s3" else None)
        for publish in (service.publish, service.publish_sync):
            with pytest.raises(StoreUnavailableError, match=r"503"):
                publish(sk="B1", attributes=large)
        assert {sk for _, sk in service.everything()["command"]} == {"A1@1"}
        service.apply(1)  # the row refers to the object, and is all that is needed
        check_invariants(service, accepted=[])
        api = HttpApi([module_routes(service.module, prefix="/todos", type="TODO")])
        body = {"code": "B1", "name": "b", "attributes": large}
        request = http_event("PUT", "/todos/B1", body=body, claims=CLAIMS, headers=NEW)
        assert api.handle(request, None)["statusCode"] == 503
        service.wire.answer(lambda _call: None)
        service.publish_sync(sk="B1", attributes=large)
        check_invariants(service, accepted=[])


class TestSql:
    def test_a_database_that_goes_and_comes_back(self, open_site: Callable[..., Process]) -> None:
        # Not the test's own folder: the server's user has to be let into it.
        folder = Path(mkdtemp(prefix="local-pg-"))
        server = Postgres(folder=folder / "data")
        server.start()
        try:
            process = open_site(database_url=server.uri(driver="psycopg"))
            self.live(World(process, "TODO1#acme"), server)
        finally:
            server.stop()
            rmtree(folder)

    def live(self, world: World, server: Postgres) -> None:
        world.publish()
        world.settle()
        world.check()
        server.stop()
        for _ in range(2):
            world.publish()
            world.settle()
        assert world.process.alarms(world.pk) == ["Ledger is parked: ReadModelUnavailableError"]
        rows = world.rows()
        assert {int(row["version"]) for row in rows.data.values()} == {3}, "the data table goes on"
        assert [row["parkedVersion"] for row in rows.sync.values() if "parkedVersion" in row] == [2]
        assert [sight.version for sight in world.seen("Journal")] == [1, 2, 3], "so do other handlers"
        server.start()
        world.redrive("Ledger")
        world.check()
        assert not [row for row in world.rows().sync.values() if "parkedVersion" in row]
