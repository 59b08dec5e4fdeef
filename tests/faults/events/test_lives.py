"""An aggregate is erased at any moment of its life: nothing of it stays in a read model."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.event_store.feed.lab import KEY, Lab, View
from tests.faults.scale import scaled
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from runtime.event_store.commits.commit import Commit


class Table(View):
    """A read model: what is known of each aggregate."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.rows: dict[str, int] = {}

    def show(self, commit: Commit, version: int, *, generation: int) -> bool | None:
        shown = super().show(commit, version, generation=generation)
        if commit.closes:
            self.rows.pop(commit.key.pk, None)
        else:
            self.rows[commit.key.pk] = version
        return shown


@pytest.mark.parametrize("seed", range(scaled(30, 200)))
def test_an_aggregate_is_erased(seed: int) -> None:
    """Between deliveries, while handlers fail or are parked; records come late and twice."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable order
    lab = Lab(Table("one"), Table("two"), exclusive=chance.random() < 0.5)
    poison = chance.randrange(1, 6)
    lab.view.fails = lambda commit, version: version == poison and not commit.closes
    for _ in range(chance.randrange(1, 5)):
        lab.append(KEY, *chance.choices("ab", k=chance.randrange(1, 3)))
        for _ in range(chance.choice([0, 1, 12])):
            lab.deliver(chance.sample(lab.all_records, chance.randrange(1, len(lab.all_records) + 1)))
            CLOCK.advance(10)
    lab.erase()
    for _ in range(40):
        lab.deliver(chance.choices(lab.all_records, k=3))
        CLOCK.advance(10)
    assert lab.deliver(lab.all_records) == []
    for view in lab.views:
        assert isinstance(view, Table)
        assert view.rows == {}
        assert view.erased == [KEY.pk]
        cursor = lab.cursor(view=view)
        assert (cursor.version, cursor.parked_version) == (lab.versions[KEY], None)


def test_an_aggregate_is_erased_in_the_middle_of_a_turn() -> None:
    lab = Lab(Table("one"))
    for _ in range(3):
        lab.append()

    def erase(_commit: Commit, version: int) -> None:
        if version == 2:
            lab.erase()

    lab.view.before = erase
    lab.deliver()
    lab.view.before = lambda _commit, _version: None
    assert lab.deliver(lab.all_records) == []
    assert isinstance(lab.view, Table)
    assert lab.view.rows == {}
    assert lab.cursor().version == 4
