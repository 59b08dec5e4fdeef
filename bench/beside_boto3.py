"""CPU time of what the library does beside bare boto3 that makes the same calls, in one run.

What is compared with is boto3 as it comes, with its default `Config`, which sends the very requests that
ours were seen to make, with rows that are there beforehand: it builds nothing, decides nothing and checks
nothing. Beside both, the same requests through a client of the library and no more of it: what is left of
boto3's own cost. They take turns, block by block; the medians of the blocks are compared, and all of them are
in the JSON file.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import statistics
import time
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import boto3
from botocore import xform_name
from botocore.client import BaseClient

from bench.cpu import environment
from bench.figures import finish, parser_of
from constructs_lib.local import Emulator
from runtime import CommandModule, CqrsApp, InvokeContext, Resources, module_routes
from runtime.store.dynamodb import DynamoDbStore
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_ROOT: Final = Path(__file__).parent.parent
_NAME: Final = "beside"
_PK: Final = "TODO#acme"
_LISTED: Final = "MANY#acme"
_ROWS: Final = 100
_CLAIMS: Final = {"sub": "u1", "custom:tenant": "acme"}
_BODY: Final = {
    "title": "x" * 330,
    "done": False,
    "count": 3,
    "tags": ["a", "b"],
    "owner": {"name": "Ann", "age": 7},
}
_ACCEPTED: Final = 202
_OK: Final = 200


class Ours:
    """The library's side: each method does one thing with one item.

    Attributes:
        ids: The ids in the record of each item that has one, which it is applied for.
    """

    def __init__(self) -> None:
        self.module: CommandModule[Any] = CommandModule("todo")
        self.app = CqrsApp(
            modules=[self.module], routes=module_routes(self.module, prefix="/todos", type="TODO")
        )
        self.user = InvokeContext(claims=_CLAIMS, source_ip="192.0.2.1", request_id="req-1")
        self._reader = _client("dynamodb")
        self._records: dict[str, Any] = {}
        self._events: dict[str, Any] = {}
        self.ids: dict[str, dict[str, str]] = {}

    def nothing(self, sk: str) -> None:
        """There is no item yet."""

    def create(self, sk: str) -> None:
        """Publish the first version."""
        self._publish(sk, 0)

    def create_and_apply(self, sk: str) -> None:
        """The item at version 1."""
        self._publish(sk, 0)
        self._read_record(sk, 1)
        self.apply(sk)

    def update(self, sk: str) -> None:
        """Publish the second version."""
        self._publish(sk, 1)

    def update_and_record(self, sk: str) -> None:
        """The item at version 1, with a second one to be applied."""
        self.create_and_apply(sk)
        self._publish(sk, 1)
        self._read_record(sk, 2)

    def apply(self, sk: str) -> None:
        """Apply what was published last."""
        with contextlib.redirect_stdout(io.StringIO()):  # its metrics
            answer = self.app({"Records": [self._records[sk]]}, None)
        if answer["batchItemFailures"]:
            message = "the record was not applied"
            raise RuntimeError(message)

    def get(self, sk: str) -> None:
        """Read one item, with what the user has published of late."""
        self.module.repository.get_item((_PK, sk), invoke_context=self.user)

    def fill_list(self, sk: str) -> None:
        """One of the items that are listed."""
        self.module.commands.publish_sync(
            {
                "pk": _LISTED,
                "sk": sk,
                "code": sk,
                "name": sk,
                "version": 0,
                "type": "MANY",
                "attributes": _BODY,
            },
            invoke_context=self.user,
        )

    def list(self, sk: str) -> None:  # noqa: ARG002
        """Read a page of 100 items."""
        page = self.module.data.list_items_by_pk(_LISTED, limit=_ROWS, invoke_context=self.user)
        if len(page.items) != _ROWS:
            message = f"the page has {len(page.items)} items"
            raise RuntimeError(message)

    def to_post(self, sk: str) -> None:
        """The item at version 1, and API Gateway's event for the second one."""
        self.create_and_apply(sk)
        body = {"sk": sk, "code": sk, "name": "after 1", "version": 1, "attributes": _BODY}
        self._events[sk] = http_event("POST", "/todos", body=body, claims=_CLAIMS)

    def post(self, sk: str) -> None:
        """Publish the second version over HTTP."""
        self._send(sk, _ACCEPTED)

    def to_get(self, sk: str) -> None:
        """The item at version 1, and API Gateway's event for it."""
        self.create_and_apply(sk)
        self._events[sk] = http_event("GET", f"/todos/{sk}", claims=_CLAIMS)

    def get_over_http(self, sk: str) -> None:
        """Read one item over HTTP."""
        self._send(sk, _OK)

    def _send(self, sk: str, status: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # its metrics
            answer = self.app(self._events[sk], None)
        if answer["statusCode"] != status:
            message = f"the request was answered {answer}"
            raise RuntimeError(message)

    def _publish(self, sk: str, version: int) -> None:
        self.module.commands.publish_async(
            {
                "pk": _PK,
                "sk": sk,
                "code": sk,
                "name": f"after {version}",
                "version": version,
                "type": "TODO",
                "attributes": _BODY,
            },
            invoke_context=self.user,
        )

    def _read_record(self, sk: str, version: int) -> None:
        table = f"local-{_NAME}-todo-command"
        key = {"pk": {"S": _PK}, "sk": {"S": f"{sk}@{version}"}}
        image = self._reader.get_item(TableName=table, Key=key)["Item"]
        self.ids[sk] = {f"{{{name}}}": image[name]["S"] for name in ("lifeId", "publishId")}
        self._records[sk] = {
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/x",
            "dynamodb": {"SequenceNumber": "1", "NewImage": image},
        }


@dataclass
class Comparison:
    """One thing that both sides do.

    Attributes:
        name: What it is.
        prepare: Makes what one call needs.
        call: Does it once, with an item.
        calls: How often in a block.
        requests: What it was seen to send: service, operation and parameters.
        ours: Milliseconds of CPU a call, by block.
        bare: The same, of bare boto3.
        client: The same, of a client of the library that sends what bare boto3 sends.
    """

    name: str
    prepare: Callable[[str], None]
    call: Callable[[str], None]
    calls: int
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)


class Bench:
    """The sides, taking turns."""

    def __init__(self, ours: Ours, comparisons: Sequence[Comparison]) -> None:
        self._ours = ours
        self._comparisons = comparisons
        self.bare = {service: _client(service) for service in ("dynamodb", "sns")}
        self.lean = {service: Resources().client(service) for service in ("dynamodb", "sns")}
        DynamoDbStore(self.lean["dynamodb"])  # it has the client read its answers plainly
        self._made = 0

    def record(self) -> None:
        """See what ours sends for each thing, once it is warm."""
        for one in self._comparisons:
            for seen in ([], one.requests):
                (key,) = self._keys(1)
                one.prepare(key)
                with _recorded(seen):
                    one.call(key)
            one.requests[:] = self._of_item(one.requests, key, reverse=True)

    def block(self, turn: int) -> None:
        """Each thing on each side, as often as a block has it."""
        for one in self._comparisons:
            sides = ((one.ours, None), (one.bare, self.bare), (one.client, self.lean))
            for spent, clients in sides if turn % 2 else reversed(sides):
                keys = self._keys(one.calls)
                for key in keys:
                    one.prepare(key)
                if clients is None:
                    spent.append(_milliseconds(one.call, keys))
                else:
                    requests = [self._of_item(one.requests, key) for key in keys]
                    spent.append(_milliseconds(partial(self.send, clients), requests))

    @staticmethod
    def send(clients: Mapping[str, Any], requests: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Send all that a thing takes."""
        for service, operation, parameters in requests:
            getattr(clients[service], operation)(**parameters)

    def _of_item(self, requests: Any, key: str, *, reverse: bool = False) -> Any:  # noqa: ANN401 - JSON
        """Requests about an item in the place of any, or the other way round."""
        text = json.dumps(requests)
        for name, value in {"{key}": key, **self._ours.ids.get(key, {})}.items():
            text = text.replace(value, name) if reverse else text.replace(name, value)
        return json.loads(text)

    def _keys(self, count: int) -> list[str]:
        self._made += count
        return [f"K{number:07}" for number in range(self._made - count, self._made)]


def main() -> None:
    """Print the table, and write the file."""
    parser = parser_of("beside_boto3", __doc__)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--calls", type=int, default=30, help="calls a block")
    parser.add_argument("--only", default="", help="what is compared has this in its name")
    options = parser.parse_args()
    with Emulator(folder=_ROOT / ".local-aws") as emulator:
        os.environ |= environment(emulator, _NAME) | {"APP_NAME": _NAME}
        ours = Ours()
        for number in range(_ROWS):
            ours.fill_list(f"L{number:03}")
        comparisons = [one for one in _comparisons(ours, options.calls) if options.only in one.name]
        bench = Bench(ours, comparisons)
        bench.record()
        for turn in range(options.blocks + 1):
            bench.block(turn)
    for one in comparisons:
        del one.ours[0], one.bare[0], one.client[0]  # the first block warms up
    finish(parser, options, figures_of(comparisons), table)


def _comparisons(ours: Ours, calls: int) -> list[Comparison]:
    return [
        Comparison("publish, create", ours.nothing, ours.create, calls),
        Comparison("publish, update", ours.create_and_apply, ours.update, calls),
        Comparison("apply, inline", ours.update_and_record, ours.apply, calls),
        Comparison("get", ours.create_and_apply, ours.get, calls),
        Comparison("list of 100", ours.nothing, ours.list, max(1, calls // 5)),
        Comparison("HTTP POST of an update", ours.to_post, ours.post, calls),
        Comparison("HTTP GET", ours.to_get, ours.get_over_http, calls),
    ]


def _client(service: str) -> Any:  # noqa: ANN401 - boto3 clients are made at run time
    make: Any = boto3.client
    return make(
        service, endpoint_url=os.environ["DYNAMODB_ENDPOINT"], region_name=os.environ["DYNAMODB_REGION"]
    )


@contextlib.contextmanager
def _recorded(seen: list[tuple[str, str, dict[str, Any]]]) -> Iterator[None]:
    make = vars(BaseClient)["_make_api_call"]  # where tracing listens, too

    def heard(client: Any, operation: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
        # A copy: boto3 adds a token to what it is given.
        seen.append((client.meta.service_model.service_name, xform_name(operation), deepcopy(parameters)))
        return make(client, operation, parameters)

    with patch.object(BaseClient, "_make_api_call", heard):
        yield


def _milliseconds(call: Callable[[Any], None], arguments: Sequence[Any]) -> float:
    gc.collect()
    begin = time.process_time()
    for argument in arguments:
        call(argument)
    return (time.process_time() - begin) / len(arguments) * 1000


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Each thing: ours, and the library's client alone, by bare boto3."""
    yield (
        "| ms of CPU, median of the blocks (lowest to highest) | calls of AWS | ours | bare boto3 | ratio "
        "| our client alone: ratio |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for one in figures["comparisons"]:
        bare = statistics.median(one["bare_ms"])
        ratio, client = (statistics.median(one[name]) / bare for name in ("ours_ms", "client_ms"))
        yield (
            f"| {one['name']} | {len(one['requests'])} | {_spread(one['ours_ms'])} "
            f"| {_spread(one['bare_ms'])} | {ratio:.2f} | {client:.2f} |"
        )


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def figures_of(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """What goes into the file."""
    return {
        "boto3": boto3.__version__,
        "comparisons": [
            {
                "name": one.name,
                "requests": [f"{service}:{operation}" for service, operation, _ in one.requests],
                "ours_ms": one.ours,
                "bare_ms": one.bare,
                "client_ms": one.client,
            }
            for one in comparisons
        ],
    }


if __name__ == "__main__":
    main()
