from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime import ForbiddenError, InvalidInputError, SortKeyCondition
from runtime.context import use_invoke_context
from tests.support.service import PK, Service, eventually_expired

if TYPE_CHECKING:
    from collections.abc import Callable


class TestReadYourWrites:
    def test_the_writer_sees_a_pending_create(self, service: Service) -> None:
        service.publish(name="mine")
        found = service.module.repository.get_item((PK, "A1"), invoke_context=service.user())
        assert found is not None
        assert (found.name, found.version, found.sk, found.csk) == ("mine", 1, "A1", "A1@1")

    def test_others_see_what_is_applied(self, service: Service) -> None:
        service.publish(name="old")
        service.apply(1)
        service.publish(version=1, name="new")
        names = [
            service.module.repository.get_item((PK, "A1"), invoke_context=service.user(user)).name  # type: ignore[union-attr]
            for user in ("u1", "u2")
        ]
        assert names == ["new", "old"]

    def test_a_pending_update_looks_like_the_applied_one(self, service: Service) -> None:
        service.publish()
        service.apply(1)
        service.publish(version=1, name="new")
        pending = service.module.repository.get_item((PK, "A1"), invoke_context=service.user())
        service.apply(2)
        assert pending == service.module.data.get_item((PK, "A1"), consistent=True)

    def test_a_session_that_the_data_has_overtaken_is_ignored(self, service: Service) -> None:
        service.publish()
        service.apply(1)
        service.publish_sync(version=1, name="later")
        found = service.module.repository.get_item((PK, "A1"), invoke_context=service.user())
        assert found is not None
        assert (found.name, found.version) == ("later", 2)

    def test_an_expired_session_is_ignored(self, service: Service) -> None:
        service.publish()
        (session,) = service.rows(service.resources.settings.session_table)
        service.client.update_item(
            TableName=service.resources.settings.session_table,
            Key={"pk": {"S": session["pk"]}, "sk": {"S": session["sk"]}},
            UpdateExpression="SET #t = :t",
            ExpressionAttributeNames={"#t": "ttl"},
            ExpressionAttributeValues={":t": {"N": str(eventually_expired())}},
        )
        assert service.module.repository.get_item((PK, "A1"), invoke_context=service.user()) is None

    def test_the_session_row_is_that_of_the_seeds(self, service: Service) -> None:
        service.publish()
        (session,) = service.rows(service.resources.settings.session_table)
        assert (session["pk"], session["sk"], session["version"]) == ("u1#acme", f"todo#{PK}#A1", 1)

    def test_switched_off_nothing_is_noted_and_nothing_merged(
        self, make_service: Callable[..., Service]
    ) -> None:
        service = make_service(ryw=False)
        service.publish()
        assert service.rows(service.resources.settings.session_table) == []
        assert service.module.repository.get_item((PK, "A1"), invoke_context=service.user()) is None


class TestDataService:
    def test_pages_follow_each_other(self, service: Service) -> None:
        for number in range(5):
            service.publish_sync(f"S{number}")
        seen, start = [], None
        while True:
            page = service.module.data.list_items_by_pk(PK, limit=2, start_from_sk=start)
            seen += [item.sk for item in page.items]
            if (start := page.last_sk) is None:
                break
        assert seen == [f"S{number}" for number in range(5)]

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (SortKeyCondition.eq("b1"), ["b1"]),
            (SortKeyCondition.begins_with("b"), ["b1", "b2"]),
            (SortKeyCondition.between("a1", "b1"), ["a1", "b1"]),
            (SortKeyCondition.lt("b1"), ["a1"]),
            (SortKeyCondition.le("b1"), ["a1", "b1"]),
            (SortKeyCondition.gt("b1"), ["b2"]),
            (SortKeyCondition.ge("b1"), ["b1", "b2"]),
        ],
    )
    def test_sort_key_conditions(
        self, service: Service, condition: SortKeyCondition, expected: list[str]
    ) -> None:
        for sk in ("a1", "b1", "b2"):
            service.publish_sync(sk)
        up = service.module.data.list_items_by_pk(PK, sk=condition)
        down = service.module.data.list_items_by_pk(PK, sk=condition, order="desc")
        assert [item.sk for item in up.items] == expected
        assert [item.sk for item in down.items] == expected[::-1]

    @pytest.mark.parametrize("limit", [0, -1, 1001])
    def test_a_page_size_out_of_range_is_refused(self, service: Service, limit: int) -> None:
        with pytest.raises(InvalidInputError, match="limit"):
            service.module.data.list_items_by_pk(PK, limit=limit)


class TestHistoryService:
    def test_a_version_is_the_state_as_it_was(self, service: Service) -> None:
        service.publish_sync(name="one")
        before = service.module.data.get_item((PK, "A1"))
        service.publish_sync(version=1, name="two")
        old = service.module.history.get_item((PK, "A1"), 1)
        assert old is not None
        assert before is not None
        assert old == before.model_copy(update={"sk": "A1@1"})
        assert service.module.history.get_item((PK, "A1"), 2) is None

    def test_versions_come_in_their_own_order(self, service: Service) -> None:
        for version in range(12):
            service.publish_sync(version=version)
        service.publish_sync("A1@x")
        service.publish_sync("A1@x", version=1)
        versions = [row.version for row in service.module.history.list_versions((PK, "A1"))]
        assert versions == list(range(1, 12))


class TestTenants:
    """No read reaches another tenant while a request is being handled."""

    def test_every_read_refuses_a_foreign_key(self, service: Service) -> None:
        module, key = service.module, ("TODO#globex", "A1")
        reads: list[Callable[[], object]] = [
            lambda: module.data.get_item(key),
            lambda: module.data.list_items_by_pk(key[0]),
            lambda: module.history.get_item(key, 1),
            lambda: module.history.list_versions(key),
            lambda: module.repository.get_item(key),
            lambda: module.commands.get_item((key[0], "A1@1")),
        ]
        with use_invoke_context(service.user()):
            for read in reads:
                service.wire.clear()
                with pytest.raises(ForbiddenError):
                    read()
                assert service.wire.names() == []

    @pytest.mark.parametrize("pk", ["TODO", "TODO#ACME", "TODO#acme#globex", "TODO#", "acme#TODO"])
    def test_keys_that_only_look_like_the_own_tenant_are_refused(self, service: Service, pk: str) -> None:
        with pytest.raises(ForbiddenError):
            service.module.data.get_item((pk, "A1"), invoke_context=service.user())

    def test_without_a_request_code_is_trusted(self, service: Service) -> None:
        assert service.module.data.get_item(("TODO#globex", "A1")) is None
