"""Least privilege by tenant: the api function's calls are made in sessions that AWS limits to one tenant.

The wiring of the constructs is deployed to an emulator that enforces IAM, without the functions' code;
the app runs here, with the credentials of the deployed role of its function.
"""

from __future__ import annotations

import json
import socket
import time
import uuid
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import boto3
import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router
from boto3.dynamodb.conditions import Attr, Key

from constructs_lib import AttributesBucket, CqrsFunctions, CqrsTable, MasterDataTable, SessionTable
from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    CqrsError,
    InvokeContext,
    Resources,
    Settings,
    StoreRefusedError,
    clock,
    module_routes,
)
from runtime.aws_errors import error_code
from runtime.clients.tenant_sessions import use_tenant
from runtime.contract import DIGEST_TAG, TENANT_TAG, Env, FunctionKind
from runtime.store.bucket import digest_of
from runtime.store.codec import opened, row_of
from runtime.store.port import Check, Delete, Put, Set
from runtime.store.values import Place
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import CODE
from tests.security.target import Copy
from tests.support.gateway import Gateway
from tests.support.listing import listed
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from tests.support.wire import Call

#: A plain name, and one that no folder can have.
TENANTS = ("acme", "köln:1")
LARGE = {"title": "t" * 2000}
FUNCTIONS = ("api", "stream", "worker", "notifier", "operator")
HOUR = 3600
ACCESS_DENIED = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"


class _OfTheFunction(Resources):
    """Resources with the credentials of the function's role, and an ear on the wire."""

    def __init__(self, settings: Settings, session: boto3.Session) -> None:
        super().__init__(settings)
        self.wire = Wire()
        self._session = session

    def client(self, service: str, *, patient: bool = True) -> Any:
        return self.wire.listen(self._made_by(self._session.client, service, patient=patient))

    def tenant_client(self, service: str) -> Any:
        return self.wire.listen(super().tenant_client(service))


class Site:
    """The deployed wiring, and the app in a function of its own each time that one is asked for."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        name = f"T{uuid.uuid4().hex[:8]}"
        stack = cdk.Stack(new_app(), name)
        tables = [CqrsTable(stack, "Doc", data_sync=True)]
        CqrsFunctions(
            stack,
            "Functions",
            code=CODE,
            handler="index.handler",
            app_name="docs",
            env_name="local",
            tables=tables,
            session_table=SessionTable(stack, "Sessions"),
            master_data_table=MasterDataTable(stack, "MasterData"),
            attributes_bucket=AttributesBucket(stack, "Attributes"),
            tenant_sessions=True,
        )
        cloudformation = emulator.client("cloudformation")
        cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps(stable(stack)), Capabilities=["CAPABILITY_IAM"]
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        functions = listed(emulator.client("lambda"), "list_functions", "Functions")
        self._deployed = {
            found["Environment"]["Variables"].get(Env.FUNCTION): found
            for found in functions
            if name in found["FunctionName"]
        }
        self.variables: dict[str, str] = self._deployed[FunctionKind.API]["Environment"]["Variables"]
        self.session = self.session_of(FunctionKind.API)

    def session_of(self, kind: str) -> boto3.Session:
        """With the credentials of a function's role, as Lambda gives them."""
        role = self._deployed[kind]["Role"]
        answer = self.emulator.client("sts").assume_role(RoleArn=role, RoleSessionName=kind)
        found = answer["Credentials"]
        return boto3.Session(
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"],
            region_name=self.emulator.region,
        )

    def function(self, **variables: str) -> Function:
        services = ("DYNAMODB", "S3", "STS", "SFN", "SNS")
        places = {f"{service}_ENDPOINT": self.emulator.endpoint_url for service in services}
        places |= {f"{service}_REGION": self.emulator.region for service in services}
        more = {Env.ATTRIBUTE_LIMIT_SIZE: "1000", Env.SFN_COMMAND_ARN: "", **variables}
        settings = Settings.from_environment({**self.variables, **places, **more})
        return Function(_OfTheFunction(settings, self.session))


class Function:
    """An instance of the api function."""

    def __init__(self, resources: _OfTheFunction) -> None:
        self.resources = resources
        self.wire = resources.wire
        self.module = CommandModule("doc", data_sync_handlers=[Copy], resources=resources)
        routes = [module_routes(self.module, prefix="/docs", type="DOC"), _by_hand(self.module)]
        self.app = CqrsApp(modules=[self.module], routes=routes)

    @property
    def tables(self) -> Any:
        return self.module.tables

    @property
    def sts_calls(self) -> int:
        return self.wire.names().count("sts:AssumeRole")

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        tenant: str | None = "acme",
        roles: str | None = None,
        **headers: str,
    ) -> SimpleNamespace:
        claims = {"sub": "ann"} | ({"custom:tenant": tenant} if tenant else {})
        claims |= {"custom:roles": json.dumps([{"tenant": "", "role": roles}])} if roles else {}
        named = [("content-type", "application/json")]
        named += [(name.replace("_", "-"), value) for name, value in headers.items()]
        content = b"" if body is None else json.dumps(body).encode()
        status, answered, text = Gateway(self.app, claims).send(method, path, named, content)
        return SimpleNamespace(status=status, headers=answered, body=json.loads(text) if text else None)

    @contextmanager
    def sts(self, reply: tuple[int, Any]) -> Iterator[None]:
        """STS answers so meanwhile."""
        self.wire.answer(lambda call: reply if call.service == "sts" else None)
        yield
        self.wire.answer(lambda _call: None)


def _by_hand(module: CommandModule[Any]) -> Router:
    """Routes as users write them, one of which forgets who asks."""
    router = Router()

    @router.get("/health")
    def health() -> dict[str, str]:
        return {"status": "fine"}

    @router.get("/any/<pk>/<sk>")
    def read(pk: str, sk: str) -> dict[str, Any]:
        found = module.repository.get_item((pk, sk))
        return {"name": found.name if found else None}

    @router.get("/hole/<pk>/<sk>")
    def hole(pk: str, sk: str) -> dict[str, Any]:
        found = module.context.store.get(module.context.data_place(_key(pk, sk)))
        return {"name": found and found["name"]}

    return router


def _key(pk: str, sk: str) -> Any:
    return SimpleNamespace(pk=pk, sk=sk)


@pytest.fixture(scope="module")
def site(strict_emulator: Emulator) -> Site:
    return Site(strict_emulator)


@pytest.fixture(scope="module")
def function(site: Site) -> Function:
    """One for all tests."""
    return site.function()


@pytest.fixture
def cold(site: Site, monkeypatch: pytest.MonkeyPatch) -> Function:
    """One that has no session yet."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
    return site.function()


@pytest.fixture
def sk() -> str:
    return f"D{uuid.uuid4().hex[:8]}"


@pytest.fixture
def later() -> Iterator[Callable[[float], None]]:
    """Sets the clock, which then stands still: seconds after the test began."""
    began = time.time()
    yield lambda after: clock.set_source(lambda: began + after)
    clock.set_source()


def doc(sk: str, version: int = 0, **more: Any) -> dict[str, Any]:
    return {"sk": sk, "version": version, "name": sk, "attributes": {"title": "t"}} | more


def test_all_routes_work_and_each_tenant_costs_one_call_of_sts(cold: Function, sk: str) -> None:
    for tenant in TENANTS:

        def send(method: str, path: str, body: Any = None, tenant: str = tenant) -> Any:
            answer = cold.send(method, path, body, tenant=tenant)
            assert answer.status < 300, (method, path, answer)
            return answer.body

        send("POST", "/docs", doc(sk, attributes=LARGE))
        assert send("GET", f"/docs/{sk}")["attributes"] == LARGE  # pending, and in the bucket
        send("POST", "/docs?mode=sync", doc(f"{sk}s", attributes=LARGE))
        send("PUT", f"/docs/{sk}s?mode=sync", {"version": 1, "name": "put", "attributes": {}})
        send("PATCH", f"/docs/{sk}s?mode=sync", {"version": 2, "name": "patched"})
        assert send("GET", f"/docs/{sk}s")["name"] == "patched"
        assert {item["sk"] for item in send("GET", "/docs")["items"]} == {sk, f"{sk}s"}
        assert [item["version"] for item in send("GET", f"/docs/{sk}s/history")["items"]] == [1, 2]
        assert send("GET", f"/docs/{sk}s/history/1")["attributes"] == LARGE
        bulk = send("POST", "/docs/bulk", [doc(f"{sk}b{number}") for number in range(9)])
        assert {item["status"] for item in bulk["items"]} == {202}
        send("DELETE", f"/docs/{sk}s?mode=sync&version=3")
    assert cold.sts_calls == len(TENANTS)


def test_the_functions_own_role_reaches_nothing(site: Site, function: Function, sk: str) -> None:
    function.send("POST", "/docs?mode=sync", doc(sk))
    own = site.session.client("dynamodb", endpoint_url=site.emulator.endpoint_url)
    with pytest.raises(own.exceptions.ClientError, match="AccessDenied"):
        own.get_item(TableName=function.tables.data, Key={"pk": {"S": "DOC#acme"}, "sk": {"S": sk}})


BOTH = {TENANT_TAG: "acme", DIGEST_TAG: digest_of("acme")}


@pytest.mark.parametrize(
    ("kind", "tags", "is_given"),
    [
        (FunctionKind.API, BOTH, True),
        (FunctionKind.API, {}, False),
        (FunctionKind.API, {TENANT_TAG: "acme"}, False),
        (FunctionKind.API, {DIGEST_TAG: digest_of("acme")}, False),
        (FunctionKind.API, BOTH | {TENANT_TAG: ""}, False),
        (FunctionKind.API, {"Tenants": "acme", DIGEST_TAG: digest_of("acme")}, False),
        *((kind, BOTH, False) for kind in FUNCTIONS if kind != FunctionKind.API),
    ],
    ids=lambda value: "-".join(value) or "none" if isinstance(value, dict) else str(value),
)
def test_a_session_is_given_to_the_api_function_alone_and_with_both_tags(
    site: Site, kind: str, tags: dict[str, str], *, is_given: bool
) -> None:
    sts = site.session_of(kind).client("sts", endpoint_url=site.emulator.endpoint_url)
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    try:
        sts.assume_role(RoleArn=site.variables[Env.TENANT_ROLE_ARN], RoleSessionName="acme", Tags=listed)
        answer = "given"
    except sts.exceptions.ClientError as error:
        answer = error_code(error)
    assert answer == ("given" if is_given else "AccessDenied")


def loaded(function: Function, row: Any) -> Any:
    """The attributes of a row, from wherever they are."""
    return opened(function.module.context.large_attributes.load(row)["attributes"])


def outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except StoreRefusedError as error:
        return str(error).partition(";")[0]
    return "done"


def test_a_session_of_a_tenant_reaches_no_row_of_another(function: Function, sk: str) -> None:
    function.send("POST", "/docs?mode=sync", doc(sk), tenant="globex")
    function.send("POST", "/docs?mode=sync", doc(sk))
    store, tables = function.resources.store, function.tables
    own, other = (Place(tables.data, f"DOC#{tenant}", sk) for tenant in ("acme", "globex"))
    row = {"pk": other.pk, "sk": f"{sk}x"}
    mine = Put(table=tables.data, row={"pk": own.pk, "sk": f"{sk}x"})
    session = Place(function.resources.settings.session_table, "ann#globex", f"doc#{other.pk}#{sk}")
    refused: dict[str, Callable[[], Any]] = {
        "get": lambda: store.get(other),
        "batch get": lambda: store.batch_get([own, other]),
        "query": lambda: store.query(tables.data, Key("pk").eq(other.pk) & Key("sk").eq(sk)),
        "query of the commands": lambda: store.query(tables.command, Key("pk").eq(other.pk)),
        "put": lambda: store.write(Put(table=tables.data, row=row)),
        "put of a command": lambda: store.write(Put(table=tables.command, row=row)),
        "set": lambda: store.write(Set(place=Place(tables.command, other.pk, sk), columns={"a": 1})),
        "delete": lambda: store.write(Delete(place=session)),
        "transaction": lambda: store.write(mine, Put(table=tables.data, row=row)),
        "check": lambda: store.write(mine, Check(place=other, condition=Attr("pk").exists())),
        "session": lambda: store.get(session),
        "scan": lambda: store.scan(tables.data, limit=10),
        "longer name": lambda: store.get(Place(tables.data, "DOC#acmee", sk)),
        "upper case": lambda: store.get(Place(tables.data, "DOC#ACME", sk)),
        "no tenant": lambda: store.get(Place(tables.data, "acme", sk)),
    }
    with use_tenant(lambda: "acme"):
        assert {what: outcome(attempt) for what, attempt in refused.items()} == dict.fromkeys(
            refused, "DynamoDB refuses the call (AccessDeniedException)"
        )
    with use_tenant(lambda: "acme"):
        assert store.get(own)
        assert store.get(Place(tables.data, own.pk, f"{sk}x")) is None
    with use_tenant(lambda: "globex"):
        assert store.get(Place(tables.data, other.pk, f"{sk}x")) is None


def test_the_retention_of_another_tenant_is_out_of_reach(cold: Function) -> None:
    ttl = cold.module.ttl
    with use_tenant(lambda: "acme"):
        assert ttl.get_ttl_configuration("data", "acme") is None
        with pytest.raises(StoreRefusedError, match="AccessDenied"):
            ttl.get_ttl_configuration("data", "globex")
        with pytest.raises(StoreRefusedError, match="AccessDenied"):
            ttl.set_ttl_configuration("data", 1, "globex")
    with use_tenant(lambda: "globex"):
        assert ttl.get_ttl_configuration("data", "globex") is None


def test_a_session_of_a_tenant_reaches_no_object_of_another(function: Function, sk: str) -> None:
    attributes, command = function.module.context.large_attributes, function.tables.command
    rows = {}
    for tenant in (*TENANTS, "globex"):
        with use_tenant(lambda tenant=tenant: tenant):  # type: ignore[misc]
            row = row_of({"pk": f"DOC#{tenant}", "sk": f"{sk}@1", "attributes": LARGE})
            rows[tenant] = attributes.off_load(command, row)
            assert loaded(function, rows[tenant]) == LARGE
    for tenant in rows:
        for other in rows.keys() - {tenant}:
            with use_tenant(lambda tenant=tenant: tenant):  # type: ignore[misc]
                with pytest.raises(StoreRefusedError, match="AccessDenied"):
                    attributes.load(rows[other])
                with pytest.raises(StoreRefusedError, match="AccessDenied"):
                    attributes.off_load(command, row | {"pk": f"DOC#{other}"})


def test_an_object_of_the_reference_system_is_its_tenants(site: Site, function: Function, sk: str) -> None:
    command, bucket = function.tables.command, site.variables[Env.S3_BUCKET_NAME]
    name = f"ddb/{command}/DOC#acme/{sk}/1.json"
    site.emulator.client("s3").put_object(Bucket=bucket, Key=name, Body=json.dumps(LARGE))
    row = {"pk": "DOC#acme", "sk": sk, "attributes": f"s3://{bucket}/{name}"}
    with use_tenant(lambda: "acme"):
        assert loaded(function, row) == LARGE
    with use_tenant(lambda: "globex"), pytest.raises(StoreRefusedError):
        loaded(function, row)


def test_what_is_common_is_read_by_all_and_written_in_its_own_session(function: Function, sk: str) -> None:
    admin = {"roles": "system_admin", "x_tenant_code": "common"}
    written = doc(sk, attributes=LARGE)
    assert function.send("POST", "/docs?mode=sync", written, **admin).status == 201
    place = Place(function.tables.data, "DOC#common", sk)
    with use_tenant(lambda: "acme"):
        found = function.resources.store.get(place)
        assert found
        assert loaded(function, found) == LARGE
        with pytest.raises(StoreRefusedError):
            function.resources.store.write(Put(table=place.table, row={"pk": place.pk, "sk": place.sk}))
    assert function.send("GET", f"/any/DOC%23common/{sk}").body == {"name": sk}
    assert function.send("GET", f"/docs/{sk}", x_tenant_code="common").body["name"] == sk
    assert function.send("POST", "/docs", doc(sk, 1), x_tenant_code="common").status == 403


def test_a_hole_in_a_route_is_stopped(function: Function, sk: str) -> None:
    function.send("POST", "/docs?mode=sync", doc(sk), tenant="globex")
    assert function.send("GET", f"/hole/DOC%23globex/{sk}", tenant="globex").body == {"name": sk}
    answer = function.send("GET", f"/hole/DOC%23globex/{sk}")
    assert (answer.status, answer.body.get("name")) == (500, None)


def test_who_crosses_tenants_names_the_one_that_the_request_is_about(function: Function, sk: str) -> None:
    function.send("POST", "/docs?mode=sync", doc(sk), tenant="globex")
    path, role = f"/any/DOC%23globex/{sk}", "system_admin"
    assert function.send("GET", path, roles=role, x_tenant_code="globex").body == {"name": sk}
    answer = function.send("GET", path, roles=role)
    assert (answer.status, "x-tenant-code" in answer.body["detail"]) == (403, True)
    assert function.send("GET", path).status == 403
    assert function.send("GET", path, x_tenant_code="globex").status == 403


def test_a_context_of_somebody_else_opens_nothing(function: Function, sk: str) -> None:
    """A route that passes on whom it takes for the caller."""
    other = InvokeContext(claims={"sub": "eve", "custom:tenant": "globex"})
    with use_tenant(lambda: "acme"), pytest.raises(CqrsError):
        function.module.repository.get_item(("DOC#globex", sk), invoke_context=other)


def test_what_reaches_no_row_needs_no_tenant(cold: Function, sk: str) -> None:
    for tenant in (None, "a*", "acme "):
        assert cold.send("GET", "/health", tenant=tenant).status == 200
    assert cold.send("GET", f"/any/DOC/{sk}", tenant=None, roles="system_admin").status == 403
    answer = cold.send("GET", f"/docs/{sk}", tenant="a*")
    assert (answer.status, "letters, digits" in answer.body["detail"]) == (403, True)
    assert cold.wire.calls == []


def test_code_without_a_request_has_no_rights(cold: Function, sk: str) -> None:
    with pytest.raises(ConfigurationError, match="copy_context"):
        cold.module.data.get_item(("DOC#acme", sk))
    assert cold.wire.calls == []


@pytest.mark.parametrize("reply", [(503, {}), (500, {})], ids=["busy", "broken"])
def test_while_sts_is_out_of_reach_nothing_is_written(
    cold: Function, sk: str, later: Callable[[float], None], reply: tuple[int, Any]
) -> None:
    later(0)
    with cold.sts(reply):
        answer = cold.send("POST", "/docs", doc(sk))
        assert (answer.status, answer.body["written"]) == (503, "nothing")
        assert answer.headers["Retry-After"] == "2"
        bulk = cold.send("POST", "/docs/bulk", [doc(f"{sk}b{number}") for number in range(100)])
        assert {item["status"] for item in bulk.body["items"]} == {503}
    # One call for all who ask before they are to come again.
    assert cold.wire.names() == ["sts:AssumeRole"]
    later(2)
    assert cold.send("POST", "/docs", doc(sk)).status == 202


def test_what_sts_said_of_one_tenant_is_not_said_of_another(cold: Function, sk: str) -> None:
    with cold.sts((503, {})):
        assert cold.send("POST", "/docs", doc(sk)).status == 503
    assert cold.send("POST", "/docs", doc(sk), tenant="globex").status == 202


@pytest.mark.parametrize("reply", [(503, {}), (403, ACCESS_DENIED)], ids=["busy", "refused"])
def test_a_session_that_lasts_is_used_while_sts_is_slow_to_fail(
    cold: Function, sk: str, later: Callable[[float], None], reply: tuple[int, Any]
) -> None:
    """The clock goes on while STS does not answer: for longer than until it is to be asked again."""

    def read(after: float, *, takes: float) -> tuple[int, int]:
        cold.wire.clear()
        later(after)
        cold.wire.before = lambda call: later(after + takes) if call.service == "sts" else None
        with cold.sts(reply):
            status = cold.send("GET", f"/any/DOC%23acme/{sk}").status
        return status, cold.sts_calls

    assert cold.send("GET", f"/any/DOC%23acme/{sk}").status == 200
    assert read(HOUR - 290, takes=40) == (200, 1)
    assert read(HOUR - 240, takes=0) == (200, 0)
    assert read(HOUR - 20, takes=5) == (200, 1)
    assert read(HOUR - 5, takes=0) == (200, 0)
    ended = 503 if reply[0] == 503 else 500
    assert read(HOUR + 1, takes=0) == (ended, 1)  # no longer than it lasts, though it was asked just now


def test_a_session_that_ends_while_sts_does_not_answer_is_not_used(
    cold: Function, sk: str, later: Callable[[float], None]
) -> None:
    assert cold.send("GET", f"/any/DOC%23acme/{sk}").status == 200
    cold.wire.clear()
    later(HOUR - 20)
    cold.wire.before = lambda call: later(HOUR + 25) if call.service == "sts" else None
    with cold.sts((503, {})):
        assert cold.send("GET", f"/any/DOC%23acme/{sk}").status == 503
    assert cold.wire.names() == ["sts:AssumeRole"]


def test_sts_that_never_answers_is_given_up_soon(
    site: Site, sk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 6 seconds, here a tenth of that; a client that is patient takes 40."""
    monkeypatch.setattr("runtime.clients.resources._SHORT_READ_SECONDS", 0.2)
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        function = site.function(STS_ENDPOINT=f"http://{host}:{port}")
        assert function.send("GET", f"/any/DOC%23acme/{sk}").status == 503
    assert time.monotonic() - started < 30


def test_a_role_that_is_refused_is_a_mistake_of_the_deployment(site: Site, sk: str) -> None:
    function = site.function(**{Env.TENANT_ROLE_ARN: "arn:aws:iam::000000000000:role/nobody"})
    answer = function.send("POST", "/docs", doc(sk))
    assert (answer.status, answer.body["written"]) == (500, "nothing")
    assert function.wire.names() == ["sts:AssumeRole"]


def test_a_session_is_renewed_before_it_ends(cold: Function, sk: str, later: Callable[[float], None]) -> None:
    def read(after: float) -> tuple[int, int]:
        later(after)
        cold.wire.clear()
        return cold.send("GET", f"/any/DOC%23acme/{sk}").status, cold.sts_calls

    assert read(0) == (200, 1)
    assert read(HOUR - 310) == (200, 0)
    with cold.sts((503, {})):
        assert read(HOUR - 290) == (200, 1)  # goes on with what it has
        assert read(HOUR - 280) == (200, 0)  # and does not ask each time
        assert read(HOUR + 1) == (503, 1)
        assert read(HOUR + 2) == (503, 0)
    assert read(HOUR + 3) == (200, 1)
    assert read(0) == (200, 0)


def test_calls_of_several_threads_share_one_session(cold: Function, sk: str) -> None:
    cold.send("POST", "/docs/bulk", [doc(f"{sk}{number}") for number in range(8)])
    assert cold.sts_calls == 1


def test_each_request_is_signed_for_its_own_tenant(cold: Function, sk: str) -> None:
    """The session of each call is the one of its request, whatever the order."""
    seen: dict[str, set[str]] = {}
    tenant = ""

    def note(call: Call) -> None:
        if call.service == "sts":
            tags = {tag["Key"]: tag["Value"] for tag in call.parameters["Tags"]}
            seen.setdefault(tags["tenant"], set()).add(tenant)

    cold.wire.before = note
    for tenant in ("acme", "globex", "acme", "initech", "globex"):
        assert cold.send("GET", f"/docs/{sk}", tenant=tenant).status == 404
    assert seen == {name: {name} for name in ("acme", "globex", "initech")}
