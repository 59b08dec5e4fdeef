from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import ConfigurationError, ForbiddenError, InvalidInputError
from runtime.event_store.metadata import current_event, reacting_to
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.settings import Settings
from tests.event_store.blog import (
    Blog,
    CreatePost,
    CreateUser,
    DisableUser,
    User,
    UserCreated,
    UserDisabled,
    UserEvent,
)
from tests.event_store.watched import WatchedProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.event_store.aggregates.loaded import Loaded

ANN = CreateUser(name="Ann")


@contextmanager
def request(tenant: str | None = "acme", *, user: str | None = "ann", **more: Any) -> Iterator[None]:
    """A request of a user, as the app handles it."""
    claims = {name: value for name, value in (("sub", user), ("custom:tenant", tenant)) if value}
    claims |= more.pop("claims", {})
    with use_invoke_context(InvokeContext(claims=claims, request_id="r-1", **more), Settings()):
        yield


@pytest.fixture
def provider() -> WatchedProvider:
    return WatchedProvider()


@pytest.fixture
def blog(provider: WatchedProvider) -> Blog:
    return Blog(provider, default_tenant=None)


# Whose


def calls(blog: Blog, tenant: str | None) -> list[Callable[[], object]]:
    return [
        lambda: blog.users.get_aggregate("u1", tenant=tenant),
        lambda: blog.users.get_aggregate("u1", tenant=tenant, at_version=0),
        lambda: blog.users.events("u1", tenant=tenant),
        lambda: blog.users.ids(tenant=tenant),
        lambda: blog.users.erase("u1", tenant=tenant),
        lambda: blog.user_commands("u1", ANN, tenant=tenant),
    ]


def test_without_a_request_a_tenant_is_required(blog: Blog, provider: WatchedProvider) -> None:
    for call in calls(blog, None):
        with pytest.raises(InvalidInputError, match=r"tenant: is required: pass tenant=.*default_tenant="):
            call()
    assert provider.counted() == {}


def test_the_tenant_is_in_lower_case_everywhere(blog: Blog) -> None:
    assert blog.user_commands("u1", ANN, tenant="ACME").tenant == "acme"
    assert blog.users.get_aggregate("u1", tenant="Acme").exists


@pytest.mark.parametrize(
    "tenant", ["a#b", "", 7, "\ud800", "x" * 2048], ids=["#", "empty", "int", "bad", "long"]
)
def test_a_tenant_that_cannot_be_is_refused(blog: Blog, provider: WatchedProvider, tenant: Any) -> None:
    for call in calls(blog, tenant):
        with pytest.raises(InvalidInputError, match="tenant: must"):
            call()
    assert provider.counted() == {}


@pytest.mark.parametrize(
    "aggregate_id", ["", 7, None, "x" * 2048, "\ud800"], ids=["empty", "int", "none", "long", "bad"]
)
def test_an_id_that_cannot_be_is_refused(blog: Blog, provider: WatchedProvider, aggregate_id: Any) -> None:
    with pytest.raises(InvalidInputError, match="aggregate_id: must"):
        blog.user_commands(aggregate_id, ANN, tenant="acme")
    assert provider.counted() == {}


def test_an_id_may_have_the_separator_in_it(blog: Blog) -> None:
    blog.user_commands("a#other", ANN, tenant="acme")
    assert not blog.users.get_aggregate("a", tenant="other").exists
    assert blog.users.get_aggregate("a#other", tenant="acme").exists


def test_in_a_request_it_is_the_requests_own(blog: Blog) -> None:
    with request("Acme"):
        assert blog.user_commands("u1", ANN).tenant == "acme"
        assert len(list(blog.users.events("u1"))) == 1
    assert blog.users.get_aggregate("u1", tenant="acme").exists


def test_a_request_before_the_domains_default() -> None:
    blog = Blog(default_tenant="other")
    assert blog.user_commands("u1", ANN).tenant == "other"
    with request("acme"):
        assert not blog.users.get_aggregate("u1").exists
    # Of nobody's request it is the domain's default, which nobody may reach.
    with request(None), pytest.raises(ForbiddenError):
        blog.users.get_aggregate("u1")


def test_another_tenants_aggregates_are_out_of_reach(blog: Blog, provider: WatchedProvider) -> None:
    theirs = blog.user_commands("u1", ANN, tenant="other")
    mine = blog.user_commands("u1", ANN, tenant="acme")
    provider.counted()
    with request("acme"):
        refused: list[Callable[[], object]] = [
            *calls(blog, "other"),
            lambda: blog.users.append(theirs, UserDisabled()),
            lambda: blog.users.append(theirs, []),
            lambda: blog.users.append(mine, UserDisabled(), guards=[theirs]),
        ]
        for call in refused:
            with pytest.raises(ForbiddenError, match="does not belong to your tenant"):
                call()
        with blog.domain.transaction() as both:
            with pytest.raises(ForbiddenError):
                both.append(blog.users, theirs)
            with pytest.raises(ForbiddenError):
                both.guard(theirs)
    assert provider.counted() == {}


def test_a_role_may_cross_tenants_and_the_common_tenant_is_read_by_all(blog: Blog) -> None:
    blog.user_commands("u1", ANN, tenant="common")
    roles = {"custom:roles": '[{"tenant": "", "role": "system_admin"}]'}
    with request("acme"):
        assert blog.users.get_aggregate("u1", tenant="common").exists
        with pytest.raises(ForbiddenError):
            blog.user_commands("u1", DisableUser(), tenant="common")
    with request("acme", claims=roles):
        assert blog.user_commands("u1", DisableUser(), tenant="common").version == 2


def test_the_tenant_of_the_header_counts_where_the_user_may_act_there(blog: Blog) -> None:
    roles = {"custom:roles": '[{"tenant": "other", "role": "system_admin"}]'}
    with request("acme", headers={"x-tenant-code": "other"}, claims=roles):
        assert blog.user_commands("u1", ANN).tenant == "other"
    with request("acme", headers={"x-tenant-code": "other"}), pytest.raises(ForbiddenError):
        blog.user_commands("u1", ANN)


@pytest.mark.parametrize("tenant", ["", "a#b", 7])
def test_a_default_tenant_that_cannot_be_is_refused(tenant: Any) -> None:
    with pytest.raises(ConfigurationError, match="default_tenant must be a code without #, or None"):
        Blog(default_tenant=tenant)


# What is known of an event


def meta_of(blog: Blog, aggregate_id: str, tenant: str = "acme") -> Any:
    return list(blog.users.events(aggregate_id, tenant=tenant))[-1].meta


def test_an_event_tells_who_in_which_request_by_which_command_and_code(blog: Blog) -> None:
    with request():
        blog.user_commands("u1", ANN, command_id="k-1")
    meta = meta_of(blog, "u1")
    assert (meta.user_id, meta.correlation_id, meta.causation_id) == ("ann", "r-1", None)
    assert (meta.command_id, meta.source) == ("k-1", "[users]:Commands.CreateUser")
    assert (meta.stream, meta.aggregate_id, meta.tenant, meta.version) == ("users", "u1", "acme", 1)


def test_outside_of_a_request_nobody_is_named(blog: Blog) -> None:
    blog.users.append(blog.users.get_aggregate("u1", tenant="acme"), UserCreated(name="x"), source="import")
    meta = meta_of(blog, "u1")
    assert (meta.user_id, meta.correlation_id, meta.command_id, meta.source) == (None, None, None, "import")


def test_the_fold_sees_what_will_be_read_again(blog: Blog) -> None:
    seen: list[Any] = []

    def fold(event: UserEvent, _state: User, meta: Any) -> User | None:
        seen.append((event, meta))
        return None

    watched = Blog(users=blog.users.aggregate.__class__("users", blog.users.aggregate.types, User, fold))
    with request():
        watched.user_commands("u1", ANN, command_id="k-1")
    appended = list(seen)
    seen.clear()
    watched.users.get_aggregate("u1")
    assert appended == seen
    assert len(seen) == 1


def test_what_a_reaction_appends_is_caused_by_the_event_and_correlated_with_its_request(blog: Blog) -> None:
    with request():
        blog.user_commands("u1", ANN)
    cause = meta_of(blog, "u1")
    assert current_event() is None
    with reacting_to(cause):
        assert current_event() is cause
        assert blog.user_commands("u2", ANN).tenant == "acme"
    meta = meta_of(blog, "u2")
    assert (meta.causation_id, meta.correlation_id, meta.user_id) == ("users#u1#acme@1", "r-1", None)
    assert current_event() is None


def test_a_handler_that_is_called_in_a_command_is_no_part_of_it(blog: Blog) -> None:
    blog.user_commands("u1", ANN, tenant="acme")
    cause = meta_of(blog, "u1")

    @blog.user_commands.on(DisableUser)
    def disable(_command: DisableUser, _current: Loaded[User]) -> UserEvent:
        with reacting_to(cause):
            assert blog.users.get_aggregate("u1").tenant == "acme"
            blog.user_commands("u1", CreateUser2())
        return UserDisabled()

    class CreateUser2:
        pass

    @blog.user_commands.on(CreateUser2)
    def create(_command: CreateUser2, _current: Loaded[User]) -> UserEvent:
        return UserDisabled()

    # Guarded by what its handler has read in vain, it would be refused: u1 has moved.
    assert blog.user_commands("u9", DisableUser(), tenant="other").version == 1


def test_the_events_tenant_is_the_default_of_a_handler_and_not_the_domains() -> None:
    blog = Blog(default_tenant="other")
    blog.user_commands("u1", ANN, tenant="acme")
    with reacting_to(meta_of(blog, "u1")):
        assert blog.users.get_aggregate("u1").exists
        created = blog.post_commands("p1", CreatePost(user_id="u1", content="hi"))
    assert created.tenant == "acme"
