"""What users send stays out of every log, alarm, notification and execution of the deployed stack."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.shelves import Shelves
from tests.support.polling import wait_until
from tests.support.secrets import Secrets

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

#: Where a key may be: it is an identifier, which leads an operator from the alarm to the aggregate.
EXECUTION = re.compile(r"arn:aws:states:[^\"\s]+")


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    return deployment.of_another_tenant()


@pytest.fixture
def sk() -> str:
    return f"X{uuid.uuid4().hex[:10]}"


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


def log_lines(deployment: Deployment) -> list[str]:
    """Every line in every log group: of the functions, the API and the state machine."""
    logs = deployment.emulator.client("logs")
    groups = logs.get_paginator("describe_log_groups").paginate()
    return [
        event["message"]
        for page in groups
        for group in page["logGroups"]
        for events in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in events["events"]
    ]


def histories(deployment: Deployment, sk: str) -> list[str]:
    """All that Step Functions keeps of the executions of an aggregate, inputs and causes included."""
    client = deployment.emulator.client("stepfunctions")
    return [
        json.dumps(part, default=str)
        for arn in deployment.executions(sk)
        for part in (
            client.describe_execution(executionArn=arn),
            *client.get_paginator("get_execution_history").paginate(executionArn=arn),
        )
    ]


def send(deployment: Deployment, sk: str, secrets: Secrets) -> list[str]:
    """Put a secret into everything that a client can send; what the refused ones were answered."""
    token = deployment.sign_in(deployment.tenant, email=f"{secrets['email']}@example.com")
    secrets.add("token", token)
    headers = {"x-mine": secrets["header"], "cookie": secrets["cookie"]}
    once = headers | {"idempotency-key": secrets["idempotency"]}
    body = {"sk": sk, "code": secrets["code"], "name": secrets["name"], "version": 0}
    good = body | {"attributes": {"text": secrets["attributes"]}}
    query = {"mode": "async", "q": secrets["query"]}
    made = deployment.request("POST", "/notes", token=token, json=good, params=query, headers=once)
    assert made.status_code == 202, made.text
    refused = [
        deployment.request("POST", "/notes", token=token, headers=headers, **content)
        for content in (
            {"content": f"{{{secrets['no json']}"},
            {"json": good | {"versoin": secrets["unknown field"]}},
            {"json": good | {"version": secrets["wrong type"]}},
            {"json": good | {"attributes": secrets["wrong attributes"]}},
            {"json": good | {"version": 7}},
        )
    ]
    refused.append(deployment.post("/crash", {"text": secrets["crash"]}, token=token))
    refused.append(
        deployment.request("POST", "/notes", token=secrets["no token"], json={"text": secrets["stranger"]})
    )
    assert [answer.status_code for answer in refused] == [400, 400, 400, 400, 400, 500, 401]
    deployment.wait_for("note", f"{sk}@1")
    return [answer.text for answer in refused]


def poison(deployment: Deployment, sk: str, secrets: Secrets) -> dict[str, Any]:
    """A handler that fails for good, and quotes the command; the row that it is parked with."""
    deployment.publish(
        "task", sk, name=secrets["handler"], attributes={"fails": 1000, "text": secrets["handled"]}
    )
    deployment.wait_for("task", f"{sk}@1", "sync_data:FAILED")
    row = deployment.row("task", "sync", f"FlakyStore#{sk}")
    assert row
    return row


def tell_of_books(deployment: Deployment, sk: str, secrets: Secrets) -> tuple[list[str], dict[str, Any]]:
    """The same of events: what the refused commands were answered, and the cursor of what failed for good."""
    shelves = Shelves(deployment)
    shelves.acquire(sk, title=secrets["event"], fails=1000)
    cursor = shelves.wait_until_parked(sk)  # until then the shard waits
    refused = [
        shelves.do(f"books/{sk}/acquire-book", title=secrets["refused command"]),
        shelves.do(f"books/{sk}/acquire-book", title=[secrets["wrong command"]]),
        shelves.do(f"books/{sk}/lend-book", {"if-match": secrets["no version"]}, reader=sk),
        shelves.do(f"books/{sk}/lend-book", reader=secrets["no reader"]),
    ]
    assert [answer.status_code for answer in refused] == [422, 400, 400, 422]
    notice = {"version": 1, "notice": {"text": secrets["dispatched"], "fails": 1}}
    assert deployment.request("POST", f"/notices/{sk}", json=notice).status_code == 200
    shelves.wait_until_seen("board", sk, 1)
    return [answer.text for answer in refused], cursor


def spoil(deployment: Deployment, sk: str, secrets: Secrets) -> None:
    """A row that cannot be read: the error quotes it."""
    with deployment.stream_held("note"):
        deployment.publish("note", sk, name=secrets["spoilt command"])
        deployment.spoil("note", sk, version=secrets["spoilt row"])
    deployment.wait_for("note", f"{sk}@1", "transform_data:FAILED")
    deployment.mend("note", sk)


def queue(deployment: Deployment, secrets: Secrets) -> None:
    """A message that its handler refuses, quoting it."""
    sqs = deployment.emulator.client("sqs")
    url = sqs.get_queue_url(QueueName="e2e-orders")["QueueUrl"]

    def refused() -> int:
        return sum("record not handled" in line for line in log_lines(deployment))

    before = refused()
    sqs.send_message(QueueUrl=url, MessageBody=f"order of {secrets['message']}")
    wait_until(lambda: refused() > before, seconds=30, every=0.2)
    sqs.purge_queue(QueueUrl=url)


def test_what_users_send_stays_out_of_sight(deployment: Deployment, sk: str, secrets: Secrets) -> None:
    with deployment.inbox() as inbox, deployment.inbox("AlarmTopicArn") as alarms:
        answers = send(deployment, sk, secrets)
        row = poison(deployment, f"{sk}p", secrets)
        spoil(deployment, f"{sk}s", secrets)
        queue(deployment, secrets)
        of_books, cursor = tell_of_books(deployment, f"{sk}b", secrets)
        answers += of_books
        wait_until(lambda: len(alarms.bodies()) >= 3)
        messages = [json.dumps(body) for body in (*inbox.bodies(), *alarms.bodies())]
    lines = log_lines(deployment)
    executions = [text for end in ("", "p", "s") for text in histories(deployment, f"{sk}{end}")]

    assert secrets.found_in(answers) == {}
    assert secrets.found_in(messages) == {}
    assert secrets.found_in(executions) == {}
    assert secrets.found_in(lines) == {}
    assert [line for line in lines if sk in EXECUTION.sub("", line)] == [], "a key in a log line"
    # None of these was empty by mistake.
    assert any("request failed" in line for line in lines)
    assert any("record not handled" in line for line in lines)
    assert any("CommandsApplied" in line and "_aws" in line for line in lines)
    assert any("RuntimeError" in text for text in executions)
    assert any("FlakyStore is parked: RuntimeError" in text for text in messages)
    assert any("catalogue is parked: RuntimeError" in text for text in messages)
    assert any("event handler failed" in line for line in lines)
    # The one place where the text of an error is kept is the row beside the data.
    assert row["parkedError"].startswith(f"RuntimeError: try 4 of {sk}p@1 fails: {secrets['handler']}")
    assert not {"failedError", "failedVersion"} & set(row)
    assert cursor["parkedError"].endswith(f" fails: {secrets['event']}")
