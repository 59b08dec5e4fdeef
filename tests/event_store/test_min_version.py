"""Reading one's writes over HTTP: a query that names a version gets a read model that shows it, or 503."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import Settings, check_min_version
from runtime.entry.http.api import HttpApi
from runtime.errors import ConfigurationError, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.feed.cursors import CursorKey
from tests.event_store.test_event_routes import Answer, CreateUser, DisableUser, Site, UserCreated, user
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from collections.abc import Callable


class Model:
    """A read model of users, and the query that shows it."""

    def __init__(self, wait: float = 0.0) -> None:
        self.site = Site()
        self.names: dict[str, str] = {}
        self.handler = self.site.domain.create_handler("names", [user])

        @self.handler.handle(user, UserCreated)
        def note(aggregate_id: str, event: UserCreated, _meta: object) -> None:
            self.names[aggregate_id] = event.name

        router = Router()

        @router.get("/names")
        def names() -> dict[str, str]:
            check_min_version(self.handler, user, wait=wait)
            return self.names

        self._api = HttpApi([router], settings=Settings(cross_tenant_roles=(), common_tenant_codes=()))

    def create(self, aggregate_id: str = "ann", tenant: str = "acme") -> int:
        return self.site.commands.execute(aggregate_id, CreateUser(name="Ann"), tenant=tenant).version

    def query(self, *versions: str, tenant: str | None = "acme", **headers: str) -> Answer:
        claims = {"sub": "u1", "custom:tenant": tenant} if tenant else {"sub": "u1"}
        headers |= {"Min-Version": ", ".join(versions)} if versions else {}
        return Answer(self._api.handle(http_event("GET", "/names", claims=claims, headers=headers), None))


@pytest.fixture
def model() -> Model:
    return Model()


def test_a_query_that_names_nothing_reads_nothing_more(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.create()
    monkeypatch.setattr(model.handler, "wait_for", None)
    assert (model.query().status, model.query(tenant=None).status) == (200, 200)


def test_a_query_waits_until_the_read_model_shows_the_version(model: Model) -> None:
    version = model.create()
    late = model.query(f"ann@{version}")
    assert (late.status, late.kind, late.json["written"]) == (503, "read-model-behind", "nothing")
    assert int(late.headers["Retry-After"]) > 0
    assert late.json["detail"] == "the read model does not show version 1 yet; try again"
    model.handler.run_once()
    shown = model.query(f"ann@{version}")
    assert (shown.status, shown.json) == (200, {"ann": "Ann"})
    # A version that there is not, of an aggregate that there is not: nothing to wait for.
    assert (model.query(f"ann@{version + 1}").status, model.query("bob@1").status) == (200, 200)


def test_what_is_nothing_to_the_handler_is_no_reason_to_wait(model: Model) -> None:
    model.create()
    model.handler.run_once()
    disabled = model.site.commands.execute("ann", DisableUser(), tenant="acme")
    assert disabled.version == 2
    assert model.query("ann@2").status == 200


def test_several_aggregates_have_to_be_there(model: Model) -> None:
    model.create("ann")
    model.create("b@b")
    model.handler.run_once()
    assert model.query("ann@1", "b%40b@1").status == 200
    model.create("c,c")
    assert model.query("ann@1", "c%2Cc@1").status == 503
    model.handler.run_once()
    assert model.query("ann@1", "c%2Cc@1", "b%40b@1").status == 200


def test_the_aggregates_are_those_of_the_caller(model: Model) -> None:
    model.create(tenant="acme")
    assert model.query("ann@1").status == 503
    # Nothing tells whether another tenant has such an aggregate: there is none for this one.
    for spelled in ("ann@1", "ann%23acme@1", "users%23ann%23acme@1", "ann%23acme%23@1", "bob@1"):
        assert model.query(spelled, tenant="beta").status == 200, spelled
    assert model.query("ann@1", tenant="beta", **{"x-tenant-code": "acme"}).status == 403
    assert model.query("ann@1", tenant=None).status == 403


def test_a_query_may_wait_a_while() -> None:
    model = Model(wait=10)
    version = model.create()
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(model.query(f"ann@{version}")))
    asking.start()
    model.handler.run_once()
    asking.join(10)
    assert [answer.status for answer in answers] == [200]


def test_a_model_that_is_parked_is_not_waited_for() -> None:
    model = Model(wait=60)
    model.create()
    key = CursorKey("names", 1, Key("users", "ann", "acme"))
    assert model.handler.cursors().rows([key])[key].park(1, "RuntimeError: no")
    answer = model.query("ann@1")
    assert (answer.status, answer.kind) == (503, "read-model-behind")
    assert answer.json["detail"] == "the read model does not show version 1 yet; somebody has to look at it"


@pytest.mark.parametrize(
    "header",
    [
        "", "ann", "ann@", "@1", "ann@0", "ann@-1", "ann@1.5", "ann@01", "ann@99999999999", "a b@1", "ann@1,",
        ",", "a@b@1", "ann@1;b@1", "\u06f1@\u06f1", ",".join(["ann@1"] * 11), "x" * 3000 + "@1", "%00@x",
    ],
)  # fmt: skip
def test_a_header_that_says_nothing_is_refused(model: Model, header: str) -> None:
    answer = model.query(header)
    assert (answer.status, answer.fields) == (400, ["min-version"]), header


def test_outside_of_a_request_there_is_nothing_to_check(model: Model) -> None:
    with pytest.raises(InvalidInputError, match="invoke_context"):
        check_min_version(model.handler, user)


def test_a_handler_of_another_stream_is_a_mistake(model: Model) -> None:
    check: Callable[..., Any] = check_min_version
    router = Router()
    caught: list[Exception] = []

    @router.get("/names")
    def names() -> dict[str, str]:
        try:
            check(model.handler, "posts")
        except ConfigurationError as error:
            caught.append(error)
        return {}

    api = HttpApi([router], settings=Settings())
    claims = {"sub": "u1", "custom:tenant": "acme"}
    api.handle(http_event("GET", "/names", claims=claims, headers={"min-version": "p1@1"}), None)
    assert "it is over the streams ['users'], and not over 'posts'" in str(caught[0])
