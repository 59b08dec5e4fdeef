"""The soak's clients: they publish over HTTP with a token, and read what they wrote."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any

import httpx

from tests.e2e.deployment import command, pk
from tests.support.checker import Accepted

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment
    from tests.faults.soak.plan import Aggregate, Plan
    from tests.faults.soak.told import Told

__all__ = ["Traffic"]

_TOKEN_SECONDS = 1500.0  # an id token is valid for an hour
_MOST_PROBLEMS = 20
#: About what a small aggregate carries.
_TEXT = "x" * 200


class Traffic:
    """Every writer of a plan, as a thread with a connection of its own."""

    def __init__(self, deployment: Deployment, plan: Plan, told: Told) -> None:
        self._deployment = deployment
        self._plan = plan
        self._told = told
        self._lock = threading.Lock()
        self._token = (deployment.token, time.monotonic())
        self.accepted: dict[str, list[Accepted]] = defaultdict(list)
        self.count = 0
        self.synchronous = 0
        self.conflicts = 0
        self.reads = 0
        self.problems: list[str] = []

    def run(self) -> None:
        """Publish everything; returns when all is accepted, or after too many problems."""
        threads = [threading.Thread(target=self._guarded, args=(n,)) for n in range(self._plan.writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _guarded(self, writer: int) -> None:
        try:
            self._write(writer)
        except Exception as error:  # noqa: BLE001 - it is the run's result, not this thread's end
            self._problem(f"writer {writer} gave up: {type(error).__name__}: {error}")

    def _write(self, writer: int) -> None:
        random = Random(self._plan.seed * 1000 + writer)  # noqa: S311 - not a secret
        own, versions = self._plan.aggregates_of(writer), defaultdict[str, int](int)
        with httpx.Client(base_url=self._deployment.url, timeout=60) as client:
            for number in range(self._plan.commands_of(writer)):
                if len(self.problems) >= _MOST_PROBLEMS:
                    return
                # Each aggregate once, then any of them.
                aggregate = own[number] if number < len(own) else random.choice(own)
                name = f"{aggregate.sk} by {writer} as {number}"
                synchronous = random.randrange(100) < aggregate.kind.synchronous
                latest = versions[aggregate.sk] > 0 and random.randrange(10) == 0
                self._publish(client, aggregate, versions, name, {"sync": synchronous, "latest": latest})
                if number % self._plan.every == self._plan.every - 1 and versions[aggregate.sk]:
                    self._read_own(client, aggregate, versions[aggregate.sk], name)
                    self._be_late(client, aggregate, versions[aggregate.sk])

    def _publish(
        self,
        client: httpx.Client,
        aggregate: Aggregate,
        versions: dict[str, int],
        name: str,
        options: dict[str, bool],
    ) -> None:
        base = versions[aggregate.sk]
        self._told.enter()
        body = {"version": -1 if options["latest"] else base, "name": name, "sync": options["sync"]}
        answer = self._post(client, aggregate, "publish", body)
        if answer.status_code != httpx.codes.OK or answer.json() != {"version": base + 1}:
            self._told.leave()
            self._problem(f"publish of {aggregate.sk}@{base + 1}: {answer.status_code} {answer.text[:300]}")
            return
        versions[aggregate.sk] += 1
        won = Accepted(pk(aggregate.kind.module), aggregate.sk, base + 1, name)
        with self._lock:
            self.accepted[aggregate.kind.module].append(won)
            self.count += 1
            self.synchronous += options["sync"]

    def _read_own(self, client: httpx.Client, aggregate: Aggregate, version: int, name: str) -> None:
        answer = self._post(client, aggregate, "read", {})
        if answer.status_code != httpx.codes.OK or answer.json() != {"name": name, "version": version}:
            self._problem(f"read of {aggregate.sk}@{version}: {answer.status_code} {answer.text[:300]}")
        with self._lock:
            self.reads += 1

    def _be_late(self, client: httpx.Client, aggregate: Aggregate, version: int) -> None:
        answer = self._post(client, aggregate, "publish", {"version": version - 1, "name": "too late"})
        if answer.status_code != httpx.codes.CONFLICT:
            self._problem(f"stale {aggregate.sk}@{version - 1}: {answer.status_code} {answer.text[:300]}")
        with self._lock:
            self.conflicts += 1

    def _post(
        self, client: httpx.Client, aggregate: Aggregate, path: str, values: dict[str, Any]
    ) -> httpx.Response:
        module = aggregate.kind.module
        body = {"pk": pk(module), "sk": aggregate.sk}
        if path == "publish":
            body = command(module, aggregate.sk) | {"attributes": {"text": _TEXT}} | values
        return client.post(
            f"/{module}/{path}", json=body, headers={"authorization": f"Bearer {self._current_token()}"}
        )

    def _current_token(self) -> str:
        with self._lock:
            token, made = self._token
            if time.monotonic() - made > _TOKEN_SECONDS:
                token = self._deployment.sign_in("acme")
                self._token = (token, time.monotonic())
            return token

    def _problem(self, text: str) -> None:
        with self._lock:
            self.problems.append(text)
