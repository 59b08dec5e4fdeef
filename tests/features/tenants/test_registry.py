"""The registry: what its calls do, on both stores, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    REMOVE,
    ConfigurationError,
    ForbiddenError,
    InvalidInputError,
    InvokeContext,
    ItemNotFoundError,
    MasterModule,
    Tenant,
    TenantModule,
    TenantSetupError,
    TenantState,
    current_invoke_context,
    module_routes,
)
from runtime.identity.context import use_invoke_context
from tests.features.tenants.support import ROOT, Registry, user

if TYPE_CHECKING:
    from collections.abc import Callable

ADMIN = {"tenant": "acme", "role": "tenant_admin"}


@pytest.fixture
def tenants(registry: Registry) -> TenantModule:
    return registry.tenants


@pytest.fixture
def memory() -> TenantModule:
    """A registry in memory with one tenant."""
    made = Registry().tenants
    made.create_tenant("acme", "Acme", attributes={"plan": "pro", "colour": "red"})
    return made


def refused_fields(call: Callable[[], Any]) -> list[str]:
    with pytest.raises(InvalidInputError) as refused:
        call()
    return [problem.field for problem in refused.value.problems]


def test_a_function_that_has_tenants_imports_nothing_for_them() -> None:
    code = (
        "import sys; from runtime import CommandModule, CqrsApp; before = set(sys.modules);"
        "from runtime import TenantModule; TenantModule(enforce=True);"
        "new = {name.partition('.')[0].lstrip('_') for name in set(sys.modules) - before};"
        "print(sorted(new - {'runtime', 'cachetools', 'heapq', 'hashlib', 'blake2', 'decimal'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert done.stdout.strip() == "[]"


# The life of a tenant


def test_a_tenant_is_created_read_changed_and_deleted(registry: Registry, tenants: TenantModule) -> None:
    acme = tenants.create_tenant("ACME", "Acme", attributes={"plan": "pro"})
    assert (acme.code, acme.name, acme.state, acme.version) == ("acme", "Acme", TenantState.ACTIVE, 1)
    assert tenants.get_tenant("Acme") == acme
    changed = tenants.update_tenant("acme", attributes={"colour": "red"})
    assert (changed.name, dict(changed.attributes)) == ("Acme", {"plan": "pro", "colour": "red"})
    changed = tenants.update_tenant("acme", name="Acme Inc.", attributes={"plan": REMOVE, "colour": None})
    assert (changed.name, dict(changed.attributes)) == ("Acme Inc.", {"colour": None})
    suspended = tenants.set_state("acme", "suspended", reason="unpaid")
    assert (suspended.state, suspended.state_reason, suspended.active) == (
        TenantState.SUSPENDED,
        "unpaid",
        False,
    )
    tenants.delete_tenant("acme")
    assert tenants.get_tenant("acme") is None
    back = tenants.create_tenant("acme", "New")
    assert (back.name, dict(back.attributes), back.state) == ("New", {}, TenantState.ACTIVE)
    assert set(registry.rows()) == {("TENANT#acme", "MASTER")}
    assert [row["isDeleted"] for row in registry.rows("history").values()].count(True) == 1


def test_a_code_is_registered_once_in_whatever_spelling(tenants: TenantModule) -> None:
    acme = tenants.create_tenant("acme", "Acme")
    for code in ("acme", "ACME", "Acme"):
        assert refused_fields(lambda code=code: tenants.create_tenant(code, "other")) == ["code"]  # type: ignore[misc]
    assert refused_fields(lambda: tenants.create_tenant("acme", "Acme")) == [
        "code"
    ]  # not the very same, either
    assert tenants.get_tenant("acme") == acme


def test_the_common_tenant_is_created_once(registry: Registry, tenants: TenantModule) -> None:
    common = tenants.create_common_tenant("Common", attributes={"x": 1})
    assert registry.rows()["TENANT#common", "MASTER"]["type"] == "common"
    assert refused_fields(lambda: tenants.create_common_tenant("Other")) == ["code"]
    assert tenants.get_tenant("common") == common
    assert refused_fields(lambda: tenants.create_tenant("common", "x")) == ["code"]
    assert refused_fields(lambda: tenants.create_tenant("Common", "x")) == ["code"]


def test_a_row_of_theirs_without_a_flag_is_there(registry: Registry, tenants: TenantModule) -> None:
    """TEN-2: the reference stores its common tenant without ``isDeleted``."""
    tenants.module.commands.publish_sync(
        {
            "pk": "TENANT#common",
            "sk": "MASTER",
            "code": "MASTER",
            "name": "theirs",
            "type": "common",
            "version": 0,
        },
        invoke_context=user("common", ROOT),
    )
    assert "isDeleted" not in registry.rows()["TENANT#common", "MASTER"]
    assert refused_fields(lambda: tenants.create_common_tenant("Other")) == ["code"]
    tenants.update_tenant("common", attributes={"x": 1})
    assert registry.rows()["TENANT#common", "MASTER"]["isDeleted"] is False


def test_groups_and_their_order(registry: Registry, tenants: TenantModule) -> None:
    tenants.create_tenant("acme", "Acme")
    for group in ("tokyo", "tokyo#sales", "osaka"):
        tenants.add_tenant_group("acme", "clerk", group)
    version = tenants.add_tenant_group("acme", "clerk", "tokyo").version
    assert version == 4  # what is there is not written again
    found = tenants.customize_setting_groups("acme", "clerk", ["osaka", "tokyo"])
    assert found.roles[0].setting_groups == ("osaka", "tokyo")
    assert tenants.remove_tenant_group("acme", "clerk", "osaka").roles[0].setting_groups == ("tokyo",)
    found = tenants.customize_setting_groups("acme", "clerk", None)
    assert registry.rows()["TENANT#acme", "MASTER"]["attributes"]["setting"] == [
        {
            "tenantRole": "clerk",
            "groups": ["tokyo", "tokyo#sales"],
            "setting_groups": ["tokyo#sales", "tokyo"],
            "setting_groups_mode": "auto",
        }
    ]
    assert tenants.update_tenant("acme", name="Other").roles == found.roles


def test_a_group_of_tenants_is_a_row_of_its_own(registry: Registry, tenants: TenantModule) -> None:
    tenants.create_tenant("east", "East")
    tenants.create_tenant_group("EAST", "Acme", "Acme East", attributes={"x": 1})
    row = registry.rows()["TENANT#east", "acme"]
    assert (row["type"], row["code"], row["isDeleted"]) == ("TENANT", "acme", False)
    assert refused_fields(lambda: tenants.create_tenant_group("east", "acme", "again")) == ["code"]
    assert refused_fields(lambda: tenants.create_tenant_group("a#b", "acme", "x")) == ["group_code"]
    assert [tenant.code for tenant in tenants.iter_tenants()] == ["east"]


def test_tenants_are_listed_page_by_page(tenants: TenantModule) -> None:
    codes = {f"t{number}" for number in range(7)}
    for code in sorted(codes):
        tenants.create_tenant(code, code)
    tenants.create_tenant_group("t1", "t2", "row of another kind")
    tenants.set_state("t3", TenantState.SUSPENDED, reason="x")
    tenants.delete_tenant("t4")
    found, token, pages = [], None, 0
    while pages == 0 or token:
        page = tenants.list_tenants(limit=2, resume_from=token)
        found += [tenant.code for tenant in page.items]
        token, pages = page.resume_token, pages + 1
    assert sorted(found) == sorted(codes - {"t4"})
    assert pages >= 4
    assert {tenant.code for tenant in tenants.iter_tenants()} == codes - {"t4"}
    assert [tenant.code for tenant in tenants.iter_tenants(state="suspended")] == ["t3"]


# States


def test_a_closed_tenant_takes_no_update_and_can_be_opened_again(memory: TenantModule) -> None:
    memory.add_tenant_group("acme", "clerk", "tokyo")
    closed = memory.set_state("acme", TenantState.CLOSED, reason="left")
    calls: list[Callable[[], Any]] = [
        lambda: memory.update_tenant("acme", name="x"),
        lambda: memory.add_tenant_group("acme", "clerk", "osaka"),
        lambda: memory.remove_tenant_group("acme", "clerk", "tokyo"),
        lambda: memory.customize_setting_groups("acme", "clerk", None),
    ]
    for call in calls:
        assert refused_fields(call) == ["code"]
    assert memory.get_tenant("acme") == closed
    opened = memory.set_state("acme", TenantState.ACTIVE)
    assert (opened.active, opened.state_reason) == (True, None)
    assert memory.update_tenant("acme", name="x").name == "x"


def test_a_suspended_tenant_takes_updates(memory: TenantModule) -> None:
    memory.set_state("acme", TenantState.SUSPENDED, reason="unpaid")
    assert memory.update_tenant("acme", attributes={"plan": "free"}).attributes["plan"] == "free"


@pytest.mark.parametrize("state", ["frozen", 3, None])
def test_a_state_of_a_later_release_is_not_active(state: Any) -> None:
    found = Tenant.of("acme", name="x", attributes={"state": state}, version=1)
    assert found.state is (TenantState.ACTIVE if state is None else TenantState.SUSPENDED)


def test_what_is_not_there_or_not_any_more_is_not_found(memory: TenantModule) -> None:
    memory.create_tenant("gone", "Gone")
    memory.delete_tenant("gone")
    for code in ("gone", "never"):
        calls: list[Callable[[], Any]] = [
            lambda code=code: memory.update_tenant(code, name="x"),  # type: ignore[misc]
            lambda code=code: memory.set_state(code, "active"),  # type: ignore[misc]
            lambda code=code: memory.delete_tenant(code),  # type: ignore[misc]
            lambda code=code: memory.add_tenant_group(code, "clerk", "a"),  # type: ignore[misc]
            lambda code=code: memory.remove_tenant_group(code, "clerk", "a"),  # type: ignore[misc]
            lambda code=code: memory.customize_setting_groups(code, "clerk", None),  # type: ignore[misc]
        ]
        for call in calls:
            with pytest.raises(ItemNotFoundError):
                call()


# Bad input


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda t: t.create_tenant("a#b", "x"), "code"),
        (lambda t: t.create_tenant("new", ""), "name"),
        (lambda t: t.create_tenant("new", "x", attributes=[1]), "attributes"),
        (lambda t: t.create_tenant("new", "x", attributes={"setting": []}), "attributes.setting"),
        (lambda t: t.create_tenant("new", "x", attributes={"state": "active"}), "attributes.state"),
        (lambda t: t.create_tenant("new", "x", attributes={"a": float("nan")}), "attributes.a"),
        (lambda t: t.update_tenant("acme", name="a\nb"), "name"),
        (lambda t: t.update_tenant("acme", attributes={"state": "closed"}), "attributes.state"),
        (lambda t: t.update_tenant("acme", attributes={"stateReason": REMOVE}), "attributes.stateReason"),
        (lambda t: t.set_state("acme", "frozen", reason="x"), "state"),
        (lambda t: t.set_state("acme", "creating", reason="x"), "state"),
        (lambda t: t.set_state("acme", "suspended"), "reason"),
        (lambda t: t.set_state("acme", "closed", reason=" "), "reason"),
        (lambda t: t.add_tenant_group("acme", "", "a"), "role"),
        (lambda t: t.add_tenant_group("acme", "clerk", "a##b"), "group_id"),
        (lambda t: t.remove_tenant_group("acme", "clerk", ""), "group_id"),
        (lambda t: t.customize_setting_groups("acme", "clerk", "tokyo"), "setting_groups"),
        (lambda t: t.customize_setting_groups("acme", "clerk", ["a"]), "role"),
        (lambda t: t.create_tenant_group("east", "a@1", "x"), "code"),
        (lambda t: t.create_tenant_group("east", "acme", None), "name"),
        (lambda t: t.list_tenants(limit=0), "limit"),
        (lambda t: t.list_tenants(state="frozen"), "state"),
        (lambda t: t.iter_tenants(state="frozen"), "state"),
        (lambda t: t.get_tenant("a b"), "code"),
    ],
    ids=range(24),
)
def test_bad_input_is_named_and_nothing_is_written(
    memory: TenantModule, call: Callable[[TenantModule], Any], field: str
) -> None:
    before = list(memory.iter_tenants())
    assert refused_fields(lambda: call(memory)) == [field]
    assert list(memory.iter_tenants()) == before


async def begins(tenant: Tenant) -> None:
    """Works only where somebody awaits it."""


SEEDED: list[str] = []


def seed_by_path(tenant: Tenant) -> None:
    SEEDED.append(tenant.code)


@pytest.mark.parametrize(
    "options",
    [
        {"on_create": "seed"},
        {"on_create": 3},
        {"on_create": lambda: None},
        {"on_create": begins},
        {"admin_roles": "admin"},
        {"admin_roles": [""]},
    ],
    ids=range(6),
)
def test_a_module_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        TenantModule(**options)


def test_the_module_gets_no_routes_that_know_nothing_of_its_rules(memory: TenantModule) -> None:
    """Whoever may publish what they like to their own row is active again, and on any plan."""
    with pytest.raises(ConfigurationError, match="tenant_routes"):
        module_routes(memory.module, prefix="/tenants", type="TENANT")
    with pytest.raises(ConfigurationError, match="master_routes"):
        module_routes(MasterModule().module, prefix="/masters", type="MASTER")


# Who may


def every_call(tenants: TenantModule, me: InvokeContext) -> dict[str, Callable[[], Any]]:
    """What takes a role across all tenants."""
    return {
        "create": lambda: tenants.create_tenant("new", "New", invoke_context=me),
        "common": lambda: tenants.create_common_tenant("Common", invoke_context=me),
        "state": lambda: tenants.set_state("acme", "suspended", reason="x", invoke_context=me),
        "delete": lambda: tenants.delete_tenant("acme", invoke_context=me),
        "list": lambda: tenants.list_tenants(invoke_context=me),
        "iter": lambda: tenants.iter_tenants(invoke_context=me),
        "add": lambda: tenants.add_tenant_group("acme", "clerk", "a", invoke_context=me),
        "remove": lambda: tenants.remove_tenant_group("acme", "clerk", "a", invoke_context=me),
        "order": lambda: tenants.customize_setting_groups("acme", "clerk", None, invoke_context=me),
        "group": lambda: tenants.create_tenant_group("acme", "x", "y", invoke_context=me),
    }


@pytest.mark.parametrize(
    "me",
    [
        user("acme"),
        user("acme", ADMIN),
        user("acme", {"tenant": "acme", "role": "system_admin"}),
        user("globex", {"tenant": "globex", "role": "system_admin"}),
        user(None),
        InvokeContext(),
    ],
    ids=range(6),
)
def test_it_takes_a_role_across_all_tenants(memory: TenantModule, me: InvokeContext) -> None:
    before = list(memory.iter_tenants())
    for call in every_call(memory, me).values():
        with pytest.raises(ForbiddenError):
            call()
    assert list(memory.iter_tenants()) == before


def test_tenants_are_not_listed_in_a_session_of_one() -> None:
    """What AWS would refuse is refused before, by an error that says where the list is."""
    registry = Registry(settings={"tenant_role_arn": "arn:aws:iam::1:role/tenant"})
    root = user("ops", ROOT)
    calls: list[Callable[[], Any]] = [
        registry.tenants.list_tenants,
        lambda: list(registry.tenants.iter_tenants()),
    ]
    for call in calls:
        with (
            use_invoke_context(root, registry.resources.settings),
            pytest.raises(ForbiddenError, match="cqrs tenant list"),
        ):
            call()
        call()  # an operator's, who works in no session
    assert registry.wire.names() == ["store:scan"] * 2


def test_who_has_one_may_do_all_of_it(memory: TenantModule) -> None:
    root = user("ops", ROOT)
    calls = every_call(memory, root)
    memory.add_tenant_group("acme", "clerk", "b")
    for name in ("create", "common", "add", "order", "remove", "list", "iter", "group", "state", "delete"):
        calls[name]()
    assert memory.get_tenant("acme", invoke_context=root) is None


@pytest.mark.parametrize("role", ["tenant_admin", "system_admin"])
def test_an_administrator_changes_what_is_the_tenants_own(memory: TenantModule, role: str) -> None:
    me = user("acme", {"tenant": "acme", "role": role})
    changed = memory.update_tenant(
        "acme", name="Ours", attributes={"colour": "blue", "logo": "x"}, invoke_context=me
    )
    assert (changed.name, changed.attributes["colour"], changed.attributes["plan"]) == ("Ours", "blue", "pro")
    for name in ("plan", "limits", "setting", "state", "stateReason"):
        for value in ("free", None, REMOVE):
            call = lambda name=name, value=value: memory.update_tenant(  # noqa: E731
                "acme", attributes={name: value, "ok": 1}, invoke_context=me
            )
            assert refused_fields(call) == [f"attributes.{name}"]
    assert memory.get_tenant("acme", invoke_context=me) == changed


@pytest.mark.parametrize(
    "me",
    [
        user("acme"),
        user("acme", {"tenant": "globex", "role": "tenant_admin"}),
        user("globex", {"tenant": "globex", "role": "tenant_admin"}),
        user("globex", ADMIN),
        user("globex", {"tenant": "", "role": "tenant_admin"}),
        user("acme", ADMIN, **{"x-tenant-code": "globex"}),
        InvokeContext(),
    ],
    ids=range(7),
)
def test_others_change_nothing(memory: TenantModule, me: InvokeContext) -> None:
    with pytest.raises(ForbiddenError):
        memory.update_tenant("acme", name="theirs", invoke_context=me)


def test_everybody_reads_their_own_and_the_common_one(memory: TenantModule) -> None:
    memory.create_common_tenant("Common")
    for code in ("acme", "common"):
        found = memory.get_tenant(code, invoke_context=user("acme"))
        assert found is not None
    for me in (user("globex"), InvokeContext()):
        with pytest.raises(ForbiddenError):
            memory.get_tenant("acme", invoke_context=me)
    with pytest.raises(ForbiddenError):
        memory.get_tenant("nobody", invoke_context=user("acme"))  # whether it is there is not told either


def test_roles_of_another_name_may_be_given() -> None:
    tenants = Registry(admin_roles=["owner"]).tenants
    tenants.create_tenant("acme", "Acme")
    tenants.update_tenant("acme", name="x", invoke_context=user("acme", {"tenant": "acme", "role": "owner"}))
    with pytest.raises(ForbiddenError, match="owner, system_admin"):
        tenants.update_tenant("acme", name="y", invoke_context=user("acme", ADMIN))


# What a new tenant begins with


def test_a_tenant_is_active_when_what_it_begins_with_is_there() -> None:
    seen: list[tuple[str, TenantState]] = []

    def seed(tenant: Tenant) -> None:
        seen.append((tenant.code, tenant.state))
        registry.tenants.add_tenant_group(tenant.code, "clerk", "all")

    registry = Registry(on_create=seed)
    acme = registry.tenants.create_tenant("acme", "Acme", attributes={"plan": "pro"})
    assert seen == [("acme", TenantState.CREATING)]
    assert (acme.state, acme.attributes["plan"], acme.roles[0].groups) == (
        TenantState.ACTIVE,
        "pro",
        ("all",),
    )
    assert registry.tenants.create_common_tenant("Common").active


@pytest.mark.parametrize("again", ["create", "activate"])
def test_what_failed_is_done_again(again: str) -> None:
    tries: list[str] = []

    def seed(tenant: Tenant) -> None:
        tries.append(tenant.code)
        registry.tenants.add_tenant_group(tenant.code, "clerk", "all")
        if len(tries) == 1:
            msg = "secret"
            raise RuntimeError(msg)

    registry = Registry(on_create=seed)
    tenants = registry.tenants
    with pytest.raises(TenantSetupError) as failed:
        tenants.create_tenant("acme", "Acme", attributes={"plan": "pro", "rate": 1.1, "none": None})
    assert (failed.value.tenant_code, failed.value.written) == ("acme", "something")
    assert "secret" not in str(failed.value)
    found = tenants.get_tenant("acme")
    assert found is not None
    assert found.state is TenantState.CREATING
    assert refused_fields(lambda: tenants.set_state("acme", "suspended", reason="x")) == ["state"]
    # Somebody else who wants the code does not get what was begun.
    assert refused_fields(lambda: tenants.create_tenant("acme", "Other")) == ["code"]
    if again == "create":
        acme = tenants.create_tenant("acme", "Acme", attributes={"plan": "pro", "rate": 1.1, "none": None})
    else:
        acme = tenants.set_state("acme", "active", reason="mended")
    assert (acme.active, len(tries)) == (True, 2)
    assert refused_fields(
        lambda: tenants.create_tenant("acme", "Acme", attributes={"plan": "pro", "rate": 1.1, "none": None})
    ) == ["code"]


def test_a_function_that_only_begins_its_work_makes_no_tenant_active() -> None:
    tenants = Registry(on_create=lambda tenant: begins(tenant)).tenants  # noqa: PLW0108 - that is what it is about
    with pytest.raises(TenantSetupError, match="ConfigurationError"):
        tenants.create_tenant("acme", "Acme")
    found = tenants.get_tenant("acme")
    assert found is not None
    assert found.state is TenantState.CREATING


def test_it_may_be_an_import_path() -> None:
    path = "tests.features.tenants.test_registry:seed_by_path"
    assert Registry(on_create=path).tenants.create_tenant("acme", "Acme").active
    assert SEEDED == ["acme"]


def test_a_tenant_that_was_suspended_meanwhile_stays_so() -> None:
    """Two run ``on_create``; the one that is slower finds the tenant as others have left it."""
    registry = Registry()

    def seed(tenant: Tenant) -> None:
        registry.tenants.set_state(tenant.code, "active")  # the other container, which has no on_create
        registry.tenants.set_state(tenant.code, "suspended", reason="unpaid")

    made = registry.again(on_create=seed).create_tenant("acme", "Acme")
    assert (made.state, made.state_reason) == (TenantState.SUSPENDED, "unpaid")


def test_it_runs_as_whoever_creates_the_tenant() -> None:
    found: list[Any] = []

    tenants = Registry(on_create=lambda _tenant: found.append(current_invoke_context())).tenants
    root = user("ops", ROOT)
    tenants.create_tenant("acme", "Acme", invoke_context=root)
    tenants.create_tenant("globex", "Globex")
    assert found[0] is root
    assert found[1].claims["custom:tenant"] == "globex"
