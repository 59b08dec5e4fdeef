"""Writers at the same time, and processes that die at a call: nothing is lost, and a repeat ends it."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    ContentionError,
    CqrsApp,
    CqrsError,
    InvalidInputError,
    OutcomeUnknownError,
    Tenant,
    TenantModule,
)
from runtime.testing import MemoryApp
from tests.faults.scale import COMPLETE, chosen
from tests.features.tenants.group_adders import add_groups
from tests.features.tenants.support import KINDS, ROOT, Registry, user
from tests.support.elsewhere import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator
    from tests.support.wire import Call

WRITERS = 50
GROUPS = [f"g{number}" for number in range(WRITERS)]


class DiedError(BaseException):
    """The process is gone."""


@pytest.fixture
def registry(request: pytest.FixtureRequest) -> Registry:
    make: Any = Registry if request.param == "memory" else request.getfixturevalue("on_emulator")
    made: Registry = make()
    return made


both = pytest.mark.parametrize("registry", ["memory", "dynamodb"], indirect=True)


@both
def test_fifty_writers_lose_no_group(registry: Registry) -> None:
    registry.tenants.create_tenant("acme", "Acme")
    versions = add_groups(registry.tenants, GROUPS)
    check_groups(registry, versions)


def test_fifty_writers_in_three_processes_lose_no_group(
    on_emulator: Callable[..., Registry], emulator: Emulator
) -> None:
    registry = on_emulator()
    registry.tenants.create_tenant("acme", "Acme")
    here, *shares = (GROUPS[number::3] for number in range(3))
    orders = [{"settings": asdict(registry.resources.settings), "groups": share} for share in shares]
    environment = emulator.child_environment()
    with elsewhere("tests.features.tenants.group_adders", orders, environment) as others:
        versions = [add_groups(registry.tenants, here), *(other.outcome() for other in others)]
    check_groups(registry, [*chain(*versions)])
    # That processes met: they have not had their turns one behind the other.
    owners = [owner for _, owner in sorted((v, owner) for owner, own in enumerate(versions) for v in own)]
    assert sum(first != second for first, second in pairwise(owners)) >= len(versions)


def check_groups(registry: Registry, versions: list[int]) -> None:
    """Check that each group is there, and has been added by one version of the tenant."""
    found = registry.tenants.get_tenant("acme")
    assert found is not None
    assert sorted(found.roles[0].groups) == sorted(GROUPS)
    assert found.roles[0].setting_groups == tuple(sorted(GROUPS))
    assert sorted(versions) == [*range(2, WRITERS + 2)]
    assert found.version == WRITERS + 1


def test_a_writer_that_others_always_outdo_may_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)
    registry, numbers = Registry(), itertools.count()
    registry.tenants.create_tenant("acme", "Acme")
    other, is_other = registry.again(), threading.Event()

    def outdo(call: Call) -> None:
        if call.writes and not is_other.is_set():  # what the other one writes is heard, too
            is_other.set()
            other.add_tenant_group("acme", "clerk", f"other{next(numbers)}")
            is_other.clear()

    registry.wire.before = outdo
    with pytest.raises(ContentionError, match="others changed this tenant") as caught:
        registry.tenants.add_tenant_group("acme", "clerk", "own")
    assert caught.value.written == "nothing"
    found = other.get_tenant("acme")
    assert found is not None
    assert "own" not in found.roles[0].groups
    assert len(found.roles[0].groups) == next(numbers) > 100


def test_fifty_writers_whose_answers_get_lost_add_each_group_once() -> None:
    """Each asks again, under its key, until it has an answer; a third of the writes has none at first."""
    registry = Registry()
    registry.tenants.create_tenant("acme", "Acme")
    lost: set[str] = set()

    def lose(call: Call) -> None:
        for write in call.writes:
            publish_id = str(getattr(write, "row", {}).get("publishId", ""))
            if publish_id and publish_id not in lost and int(publish_id[-1:], 36) % 3 == 0:
                lost.add(publish_id)
                raise OutcomeUnknownError("DynamoDB", "ReadTimeout")  # noqa: EM101

    def add_one(number: int) -> None:
        for _ in range(10):
            headers = {"idempotency-key": f"k{number}"}
            root = user("ops", ROOT, **headers)
            try:
                registry.tenants.add_tenant_group("acme", "clerk", f"g{number}", invoke_context=root)
            except OutcomeUnknownError:
                continue
            return

    registry.wire.after = lose
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(add_one, range(WRITERS)))
    found = registry.tenants.get_tenant("acme")
    assert found is not None
    assert len(lost) > WRITERS / 10
    assert sorted(found.roles[0].groups) == sorted(f"g{number}" for number in range(WRITERS))
    assert found.version == WRITERS + 1


@both
def test_one_of_many_who_create_a_tenant_has_made_it(registry: Registry) -> None:
    def create(number: int) -> str | None:
        try:
            return registry.tenants.create_tenant("acme", f"Acme {number}").name
        except InvalidInputError:
            return None

    with ThreadPoolExecutor(10) as pool:
        made = [name for name in pool.map(create, range(10)) if name]
    found = registry.tenants.get_tenant("acme")
    assert found is not None
    assert made == [found.name]


def seed(tenants: Callable[[], TenantModule]) -> Callable[[Tenant], None]:
    def on_create(tenant: Tenant) -> None:
        tenants().add_tenant_group(tenant.code, "clerk", "all")

    return on_create


def create(tenants: TenantModule) -> None:
    tenants.create_tenant("acme", "Acme", attributes={"plan": "pro"})


def update(tenants: TenantModule) -> None:
    tenants.update_tenant("acme", name="Other", attributes={"colour": "red"})


def add(tenants: TenantModule) -> None:
    tenants.add_tenant_group("acme", "clerk", "tokyo#sales")


def suspend(tenants: TenantModule) -> None:
    tenants.set_state("acme", "suspended", reason="unpaid")


def remove(tenants: TenantModule) -> None:
    tenants.remove_tenant_group("acme", "clerk", "tokyo")


def customise(tenants: TenantModule) -> None:
    tenants.customize_setting_groups("acme", "clerk", ["tokyo"])


def life(registry: Registry, story: Callable[[TenantModule], None]) -> TenantModule:
    """Everything before the part of a life that is disturbed."""
    made: list[TenantModule] = []
    made.append(registry.again(on_create=seed(lambda: made[0])))
    if story is not create:
        create(made[0])
        made[0].add_tenant_group("acme", "clerk", "tokyo")
    registry.wire.clear()
    return made[0]


def content(registry: Registry) -> dict[str, Any]:
    """What is stored, but for times and ids."""
    fleeting = {"createdAt", "updatedAt", "lifeId", "publishId", "ttl", "appliedTtl"}
    return {
        kind: {
            key: {name: value for name, value in row.items() if name not in fleeting}
            for key, row in registry.rows(kind).items()
        }
        for kind in KINDS
    }


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("story", [create, update, add, suspend, remove, customise])
def test_whoever_dies_at_a_call_can_do_it_again(
    on_emulator: Callable[..., Registry], story: Callable[[TenantModule], None], moment: str
) -> None:
    make: Callable[[], Registry] = on_emulator if COMPLETE else Registry
    undisturbed = make()
    story(life(undisturbed, story))
    calls = len(undisturbed.wire.calls)
    assert calls >= (8 if story is create else 3)
    faults = range(calls) if not COMPLETE else chosen(range(calls), at_least=3)
    for number in faults:
        registry = make()
        tenants = life(registry, story)
        die_at(registry, number, moment)
        with pytest.raises(DiedError):
            story(tenants)
        registry.wire.before = registry.wire.after = lambda _call: None
        half_made = tenants.get_tenant("acme")
        if story is create and half_made is not None and half_made.roles == ():
            assert not half_made.active
        if story is create and half_made is not None and half_made.active:
            # It had come to its end: that the code is taken tells so.
            with pytest.raises(InvalidInputError, match="code"):
                story(tenants)
        else:
            story(tenants)
        assert content(registry) == content(undisturbed)


@pytest.mark.parametrize("story", [create, update, add, suspend])
def test_an_answer_that_is_lost_is_no_reason_to_do_it_twice(
    on_emulator: Callable[..., Registry], story: Callable[[TenantModule], None]
) -> None:
    """Each write reaches the table, and the caller gets a server error for it."""
    undisturbed = on_emulator()
    story(life(undisturbed, story))
    registry = on_emulator()
    tenants = life(registry, story)
    lost: list[Call] = []

    def lose(call: Call) -> bool:
        if "Transact" not in call.operation or lost:
            return False
        lost.append(call)
        return True

    registry.wire.lose_answers(lose)
    try:
        story(tenants)
    except CqrsError:
        registry.wire.lose_answers(lambda _call: False)
        story(tenants)
    assert lost
    assert content(registry) == content(undisturbed)


def test_what_the_stream_delivers_changes_nothing() -> None:
    """All of it is applied when a call returns; records that come three times and in no order are left."""
    tenants = TenantModule(on_create=seed(lambda: tenants))
    with MemoryApp(CqrsApp(modules=[], features=[tenants]), modes={"tenant": "inline"}) as memory:
        for story in (create, update, add, suspend):
            story(tenants)
        before = [memory.rows("tenant", kind) for kind in KINDS]
        memory.deliver(3, shuffled=True)
        memory.heal()
        assert [memory.rows("tenant", kind) for kind in KINDS] == before


def die_at(registry: Registry, number: int, moment: str) -> None:
    left = [number]

    def die(_call: Call) -> None:
        if left[0] == 0:
            left[0] = -1
            raise DiedError
        left[0] -= 1

    setattr(registry.wire, moment, die)
