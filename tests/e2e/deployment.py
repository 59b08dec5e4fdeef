"""A deployed service, as its clients and its operators see it."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import time
import uuid
from contextlib import closing, contextmanager
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from constructs_lib.local import CdkCli
from runtime.contract import Env
from tests.e2e.inbox import Inbox
from tests.support.polling import wait_until
from tests.support.rows import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from constructs_lib.local import Emulator

RECORD_AGE = 1  # seconds
PASSWORD = secrets.token_urlsafe(16) + "aA1!"


def cdk_of(emulator: Emulator, store: Path, **context: str) -> CdkCli:
    """The CDK CLI for the stack of `app.py`, whose handlers write to the SQLite file ``store``."""
    app = str(Path(__file__).with_name("app.py"))
    return CdkCli(emulator, app=app, context={"store_file": str(store), **context}, on_line=print)


def deploy(emulator: Emulator, store: Path, *, import_existing: bool = False, **context: str) -> Deployment:
    """Deploy the stack of `app.py` with the CDK CLI; its handlers write to the SQLite file ``store``."""
    cli = cdk_of(emulator, store, **context)
    cli.bootstrap()
    outputs = cli.deploy(import_existing=import_existing)["EndToEnd"]
    return Deployment(emulator, outputs, store)


class Deployment:
    def __init__(
        self, emulator: Emulator, outputs: dict[str, str], store: Path, *, app_name: str = "e2e"
    ) -> None:
        self.emulator = emulator
        self._app_name = app_name
        self.outputs = outputs
        self.store = store
        self._dynamodb = emulator.client("dynamodb")
        self._sfn = emulator.client("stepfunctions")
        api_id = re.search(r"//([^.]+)\.execute-api", outputs["ApiUrl"])
        assert api_id, outputs["ApiUrl"]
        self.url = emulator.http_api_url(api_id[1])
        self.tenant = "acme"
        self.token = self.sign_in(self.tenant)

    def of_another_tenant(self) -> Deployment:
        """The same deployment for a user of a tenant that nobody else has.

        Operators are told once of like troubles of a partition: a test that waits for an alarm needs
        a partition of its own.
        """
        own = copy(self)
        own.tenant = f"t{uuid.uuid4().hex[:10]}"
        own.token = own.sign_in(own.tenant)
        return own

    def sign_in(
        self,
        tenant: str,
        *,
        email: str | None = None,
        roles: Sequence[str] = (),
        global_roles: Sequence[str] = (),
    ) -> str:
        """The id token of a new user of ``tenant``, with roles there and in all tenants."""
        entries = [{"tenant": tenant, "role": role} for role in roles]
        entries += [{"tenant": "", "role": role} for role in global_roles]
        return self.tokens(tenant, email=email, roles=entries)["IdToken"]

    def tokens(
        self,
        tenant: str | None,
        *,
        pool: str | None = None,
        client: str | None = None,
        email: str | None = None,
        roles: Sequence[dict[str, str]] = (),
    ) -> dict[str, str]:
        """What a new user of ``tenant`` gets when they sign in: ``IdToken``, ``AccessToken`` and others."""
        cognito = self.emulator.client("cognito-idp")
        pool, name = pool or self.outputs["UserPoolId"], email or f"{uuid.uuid4().hex}@example.com"
        attributes = {"email": name} | ({"custom:tenant": tenant} if tenant else {})
        attributes |= {"custom:roles": json.dumps(roles)} if roles else {}
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=name,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()],
        )
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
        answer = cognito.initiate_auth(
            ClientId=client or self.outputs["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        )
        found: dict[str, str] = answer["AuthenticationResult"]
        return found

    def post(
        self, path: str, body: Any, *, token: str | None = None, anonymous: bool = False
    ) -> httpx.Response:
        headers = {} if anonymous else {"authorization": f"Bearer {token or self.token}"}
        content = body if isinstance(body, str) else json.dumps(body)
        return httpx.post(
            self.url + path,
            content=content,
            headers={"content-type": "application/json", **headers},
            timeout=30,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        authorization = {"authorization": f"Bearer {token or self.token}"}
        return httpx.request(
            method, self.url + path, headers={**authorization, **(headers or {})}, timeout=30, **more
        )

    def publish(self, module: str, sk: str, version: int = 0, **values: Any) -> httpx.Response:
        return self.post(f"/{module}/publish", command(module, sk, version, self.tenant) | values)

    def read(self, module: str, sk: str) -> httpx.Response:
        return self.post(f"/{module}/read", {"pk": pk(module, self.tenant), "sk": sk})

    def table(self, module: str, kind: str) -> str:
        return self.outputs[f"{module.capitalize()}{kind.capitalize()}TableName"]

    def function_environment(self, kind: str) -> dict[str, str]:
        """The variables of the function that is the stack's `FunctionKind` ``kind``."""
        found: dict[str, str] = self._function(kind)["Environment"]["Variables"]
        return found

    def _function(self, kind: str) -> dict[str, Any]:
        pages = self.emulator.client("lambda").get_paginator("list_functions").paginate()
        functions = (function for page in pages for function in page["Functions"])
        wanted = {Env.FUNCTION: kind, Env.APP_NAME: self._app_name}
        return next(
            function
            for function in functions
            if wanted.items() <= function.get("Environment", {}).get("Variables", {}).items()
        )

    def row(self, module: str, kind: str, sk: str) -> dict[str, Any] | None:
        key = {"pk": {"S": pk(module, self.tenant)}, "sk": {"S": sk}}
        item = self._dynamodb.get_item(TableName=self.table(module, kind), Key=key, ConsistentRead=True)
        return plain(item["Item"]) if "Item" in item else None

    def wait_for(self, module: str, sk: str, status: str = "finish:FINISHED") -> dict[str, Any]:
        """The command row once it has that status."""

        def look() -> dict[str, Any] | None:
            row = self.row(module, "command", sk)
            return row if row and row.get("status") == status else None

        found = wait_until(look, seconds=30)
        assert found
        return found

    def executions(self, sk: str) -> list[str]:
        """ARNs of the executions for the versions of an aggregate, in either state machine."""
        listed = self._sfn.get_paginator("list_executions")
        return [
            execution["executionArn"]
            for name in ("StateMachineArn", "ApplyStateMachineArn")
            for page in listed.paginate(stateMachineArn=self.outputs[name])
            for execution in page["executions"]
            if f"-{sk}-v" in execution["name"]
        ]

    def execution(self, sk: str) -> dict[str, Any]:
        """The only execution of an aggregate, once it has ended."""

        def ended() -> dict[str, Any] | None:
            arns = self.executions(sk)
            assert len(arns) <= 1
            found = self._sfn.describe_execution(executionArn=arns[0]) if arns else None
            return found if found and found["status"] != "RUNNING" else None

        found = wait_until(ended, seconds=30)
        assert found
        return found

    def events_of(self, execution_arn: str) -> list[dict[str, Any]]:
        """The history of an execution."""
        pages = self._sfn.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
        return [event for page in pages for event in page["events"]]

    def states_entered(self, execution_arn: str) -> list[str]:
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.events_of(execution_arn)
            if event["type"].endswith("StateEntered")
        ]

    def states_of_ended(self, execution_arns: Sequence[str]) -> list[list[str]] | None:
        """The states that each of these executions has entered, once all of them have ended well."""
        found = [self._sfn.describe_execution(executionArn=arn)["status"] for arn in execution_arns]
        assert set(found) <= {"RUNNING", "SUCCEEDED"}
        return None if "RUNNING" in found else [self.states_entered(arn) for arn in execution_arns]

    def seen(self, store: str, sk: str) -> list[str]:
        """The versions of an aggregate that a store was told of, in order."""
        rows = self.ask_store("SELECT sk FROM seen WHERE store = ? ORDER BY rowid", store)
        return [row[0] for row in rows if row[0].startswith(f"{sk}@")]

    def tries(self, sk: str) -> int:
        return len(self.ask_store("SELECT 1 FROM tried WHERE sk = ?", sk))

    def ask_store(self, question: str, *arguments: str) -> list[Any]:
        """Rows of the handlers' store; none before the first handler has made its tables."""
        with closing(sqlite3.connect(self.store, timeout=10)) as database:
            tables = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'gates'").fetchall()
            return database.execute(question, arguments).fetchall() if tables else []

    def failed_records(self) -> list[dict[str, Any]]:
        """The stream records that were given up, as the bucket for them has kept them."""
        s3 = self.emulator.client("s3")
        records = []
        for bucket in s3.list_buckets()["Buckets"]:
            if "failedrecords" not in bucket["Name"]:
                continue
            for found in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
                body = s3.get_object(Bucket=bucket["Name"], Key=found["Key"])["Body"].read()
                records += json.loads(json.loads(body)["payload"])["Records"]
        return records

    def spoil(self, module: str, sk: str, version: str = "one") -> None:
        """Put a data row that nothing can be built on. All tests share its list: `mend` it in the end."""
        row = {"pk": {"S": pk(module, self.tenant)}, "sk": {"S": sk}, "version": {"S": version}}
        self._dynamodb.put_item(TableName=self.table(module, "data"), Item=row)

    def mend(self, module: str, sk: str) -> None:
        """Take the spoilt row away."""
        self._dynamodb.delete_item(
            TableName=self.table(module, "data"), Key={"pk": {"S": pk(module, self.tenant)}, "sk": {"S": sk}}
        )

    def age(self, module: str, sk: str, version: int, by: timedelta) -> None:
        """Let a command, and whatever turns its handlers have, be older than they are."""
        table = self.table(module, "command")
        key = {"pk": {"S": pk(module, self.tenant)}, "sk": {"S": f"{sk}@{version}"}}
        row = self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        created = datetime.fromisoformat(row["createdAt"]["S"]) - by
        self._dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="SET createdAt = :created",
            ExpressionAttributeValues={":created": {"S": created.isoformat(timespec="milliseconds")}},
        )
        for cursor in self.cursors(module, sk):
            if "claimUntil" in cursor:
                self._dynamodb.update_item(
                    TableName=self.table(module, "sync"),
                    Key={"pk": {"S": cursor["pk"]}, "sk": {"S": cursor["sk"]}},
                    UpdateExpression="ADD claimUntil :age",
                    ExpressionAttributeValues={":age": {"N": str(-int(by.total_seconds()))}},
                )

    def cursors(self, module: str, sk: str) -> list[dict[str, Any]]:
        """The cursors of an aggregate, by handler."""
        found = self._dynamodb.query(
            TableName=self.table(module, "sync"),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk(module, self.tenant)}},
            ConsistentRead=True,
        )
        return [plain(item) for item in found["Items"] if item["sk"]["S"].partition("#")[2] == sk]

    def forget_handler(self, module: str, sk: str, handler: str, *, parked_version: int) -> None:
        """Leave what a handler leaves that was parked at a version, and is removed from the code."""
        (one, *_) = self.cursors(module, sk)
        key = {"pk": {"S": one["pk"]}, "sk": {"S": one["sk"]}}
        table = self.table(module, "sync")
        item = self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        item |= {"sk": {"S": f"{handler}#{sk}"}, "parkedVersion": {"N": str(parked_version)}}
        item |= {"parkedError": {"S": "ValueError: no name"}}
        self._dynamodb.put_item(TableName=table, Item=item)
        failed = {":failed": {"S": "sync_data:FAILED"}}
        self._dynamodb.update_item(
            TableName=self.table(module, "command"),
            Key={"pk": {"S": one["pk"]}, "sk": {"S": f"{sk}@{parked_version}"}},
            UpdateExpression="SET #status = :failed",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=failed,
        )

    def operate(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer of the operator function."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=self.outputs["OperatorFunctionName"],
            Payload=json.dumps({"operation": operation, **arguments}),
        )
        body: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def check(self, kind: str) -> dict[str, Any]:
        """What a function answers to the question of a deployment: whether its code has the modules."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=self._function(kind)["FunctionArn"], Payload=json.dumps({"operation": "check"})
        )
        body: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    @contextmanager
    def stream_held(self, module: str, kind: str = "command") -> Iterator[None]:
        """Hold the stream of a table of the module back for the duration of a ``with`` block."""
        self._update_mapping(module, kind, Enabled=False)
        try:
            yield
        finally:
            self._update_mapping(module, kind, Enabled=True)

    @contextmanager
    def stream_lost(self, module: str, sk: str) -> Iterator[None]:
        """Hold the module's stream back for longer than it remembers what comes meanwhile.

        Args:
            module: The module.
            sk: Sort key of the last command that is published in the block.
        """
        self._update_mapping(module, "command", Enabled=False)
        try:
            yield
            # The last record has to be older than what the stream remembers from now on.
            published = time.monotonic()
            wait_until(lambda: time.monotonic() > published + RECORD_AGE + 1)
            self._update_mapping(module, "command", MaximumRecordAgeInSeconds=RECORD_AGE, Enabled=True)
            wait_until(lambda: f'"{sk}@' in json.dumps(self.failed_records()), seconds=30)
        finally:
            self._update_mapping(module, "command", MaximumRecordAgeInSeconds=6 * 3600, Enabled=True)

    def _update_mapping(self, module: str, kind: str, **changes: Any) -> None:
        client = self.emulator.client("lambda")
        name = f"/{self.table(module, kind)}/stream/"
        mappings = client.list_event_source_mappings()["EventSourceMappings"]
        (mapping,) = [m["UUID"] for m in mappings if name in m["EventSourceArn"]]
        client.update_event_source_mapping(UUID=mapping, **changes)

    @contextmanager
    def inbox(self, topic: str = "TopicArn") -> Iterator[Inbox]:
        """A client's own queue at the topic of an output, for the duration of a ``with`` block."""
        inbox = Inbox(self.emulator, self.outputs[topic])
        yield inbox
        inbox.close()

    def heal(self, sk: str) -> None:
        """Let the handler that refuses a command take it from now on: it counts its tries."""
        with closing(sqlite3.connect(self.store, timeout=10)) as database, database:
            database.executemany("INSERT INTO tried VALUES (?)", [(sk,)] * 1000)

    def open_gate(self, sk: str) -> None:
        """Let the handler that holds a command fail, see `stores`."""
        with closing(sqlite3.connect(self.store, timeout=10)) as database, database:
            database.execute("INSERT INTO gates VALUES (?)", (sk,))

    def metrics(self, kind: str) -> list[dict[str, Any]]:
        """What a function of the stack has counted, as its log says."""
        arn = self._function(kind)["FunctionArn"]
        client = self.emulator.client("lambda")
        group = client.get_function_configuration(FunctionName=arn)["LoggingConfig"]["LogGroup"]
        pages = self.emulator.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = (event["message"] for page in pages for event in page["events"])
        return [json.loads(line) for line in lines if line.startswith('{"_aws"')]


def pk(module: str, tenant: str = "acme") -> str:
    return f"{module.upper()}#{tenant}"


def command(module: str, sk: str, version: int = 0, tenant: str = "acme") -> dict[str, Any]:
    return {
        "pk": pk(module, tenant),
        "sk": sk,
        "code": sk,
        "name": f"after {version}",
        "version": version,
        "type": module.upper(),
        "attributes": {"step": version},
    }
