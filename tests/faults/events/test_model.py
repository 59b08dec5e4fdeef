"""Random histories, compared with a model in plain Python after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runtime import BadRequestError, ItemNotFoundError
from tests.event_store.feed.lab import Lab, key
from tests.faults.events.model import Model
from tests.faults.scale import scaled
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from runtime.event_store.commits.commit import Commit

AGGREGATES = 2
ATTEMPTS = 3
_AGGREGATE = st.integers(0, AGGREGATES - 1)
_TYPES = st.text("abc", min_size=1, max_size=4)


class Histories(RuleBasedStateMachine):
    """Appends, deliveries in any order, failures, time, repairs."""

    @initialize(exclusive=st.booleans())
    def begin(self, *, exclusive: bool) -> None:
        self.lab = Lab(exclusive=exclusive)
        self.lab.view.attempts = ATTEMPTS
        self.lab.view.fails = self._is_poison
        self.models = [Model(ATTEMPTS) for _ in range(AGGREGATES)]
        self.records: list[tuple[int, int, dict[str, Any]]] = []

    def _is_poison(self, commit: Commit, version: int) -> bool:
        return version in self.models[int(commit.key.aggregate_id[1:])].poison

    @rule(number=_AGGREGATE, types=_TYPES)
    def append(self, number: int, types: str) -> None:
        self.lab.append(key(number), *types)
        model = self.models[number]
        self.records.append((number, len(model.commits), self.lab.all_records[-1]))
        model.commits.append(types)

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any records, in any order, some of them twice."""
        batch = data.draw(st.lists(st.sampled_from(self.records), min_size=1, max_size=8))
        failed = set(self.lab.deliver([record for _, _, record in batch]))
        again = set()
        for number, model in enumerate(self.models):
            if model.deliver([commit for whose, commit, _ in batch if whose == number], CLOCK.ahead):
                again |= {
                    record["dynamodb"]["SequenceNumber"] for whose, _, record in batch if whose == number
                }
        assert failed == again

    @rule(number=_AGGREGATE, version=st.integers(1, 8))
    def poison(self, number: int, version: int) -> None:
        # A read model that does not take what it took before is one that is down: nothing is counted then.
        if version > self.models[number].cursor:
            self.models[number].poison ^= {version}

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def wait(self, seconds: int) -> None:
        CLOCK.advance(seconds)

    @rule(number=_AGGREGATE, skipping=st.booleans())
    def repair(self, number: int, *, skipping: bool) -> None:
        model = self.models[number]
        try:
            repaired = self.lab.repair(key(number), skipping=skipping)
        except (BadRequestError, ItemNotFoundError):
            assert model.parked is None
            return
        assert model.parked is not None
        model.repair(skipping=skipping)
        assert repaired.parked_version == model.parked

    @invariant()
    def same(self) -> None:
        for number, model in enumerate(self.models):
            cursor = self.lab.cursor(key(number))
            assert (cursor.version or 0, cursor.parked_version) == (model.cursor, model.parked)
            assert cursor.claim is None
            # Where everything fails, it is shown once more what it took before.
            assert [*dict.fromkeys(self.lab.view.versions(key(number)))] == [*dict.fromkeys(model.shown)]

    def teardown(self) -> None:
        """In the end everything is healed, delivered and redriven, and all was seen."""
        for number, model in enumerate(getattr(self, "models", ())):
            model.poison.clear()
            if model.parked is not None:
                self.repair(number, skipping=False)
        if getattr(self, "records", ()):
            assert self.lab.deliver([record for _, _, record in self.records]) == []


def test_histories() -> None:
    with CLOCK:
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=scaled(25, 300),
                stateful_step_count=scaled(20, 50),
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
