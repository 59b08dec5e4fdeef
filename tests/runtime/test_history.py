"""The state as of a version and as of a moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CorruptRowError, ForbiddenError, InvalidInputError
from runtime.identity.context import use_invoke_context
from tests.support.service import PK, Service, in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Call

KEY = (PK, "A1")
GET = "dynamodb:GetItem"
BATCH_GET = "dynamodb:BatchGetItem"
QUERY = "dynamodb:Query"

TOKYO = timezone(timedelta(hours=9))
#: The same four moments an hour apart: as we write them, and as the TypeScript framework does.
OURS = [f"2026-03-01T0{hour}:00:00.250+00:00" for hour in range(1, 5)]
THEIRS = [f"2026-03-01T{hour + 9}:00:00+09:00" for hour in range(1, 5)]


def moment(hour: int, **parts: int) -> datetime:
    return datetime(2026, 3, 1, hour, **parts, tzinfo=UTC)  # type: ignore[arg-type]


def put(
    service: Service, version: int, updated_at: str | None, *, current: bool = False, **columns: Any
) -> None:
    row = {
        "pk": {"S": PK},
        "sk": {"S": "A1" if current else f"A1@{version}"},
        "id": {"S": f"{PK}#A1"},
        "version": {"N": str(version)},
        "name": {"S": f"v{version}"},
        "createdAt": {"S": OURS[0]},
        "ttl": {"NULL": True},
        "csk": {"S": "A1"},
        **({"updatedAt": {"S": updated_at}} if updated_at else {}),
    }
    table = service.tables.data if current else service.tables.history
    service.client.put_item(TableName=table, Item=row | columns)


def seed(service: Service, moments: list[str]) -> None:
    """Versions 1 to 4, the last one current."""
    for version, updated_at in enumerate(moments, 1):
        put(service, version, updated_at, current=version == len(moments))
    service.wire.clear()
    service.steps.clear()


def version_at(service: Service, at: datetime) -> int | None:
    found = service.module.history.as_of(KEY, at=at)
    return found.version if found else None


def remove(service: Service, table: str, sk: str) -> None:
    service.client.delete_item(
        TableName=getattr(service.tables, table), Key={"pk": {"S": PK}, "sk": {"S": sk}}
    )


class TestAsOfVersion:
    def test_it_is_the_history_row_or_the_current_one(self, service: Service) -> None:
        for version in range(3):
            service.publish_sync(version=version)
        found = [service.module.history.as_of(KEY, version=version) for version in range(1, 5)]
        assert [(state.name, state.version, state.sk) if state else None for state in found] == [
            ("after 0", 1, "A1@1"),
            ("after 1", 2, "A1@2"),
            ("after 2", 3, "A1"),
            None,
        ]
        assert found[2] == service.module.data.get_item(KEY)

    @on_dynamodb
    def test_it_takes_one_call(self, service: Service) -> None:
        seed(service, OURS)
        for version in (1, 4, 5):
            service.wire.clear()
            service.module.history.as_of(KEY, version=version)
            assert service.wire.names() == [BATCH_GET]

    def test_one_that_has_expired_is_none_and_never_another(self, service: Service) -> None:
        seed(service, OURS)
        remove(service, "history", "A1@2")
        assert service.module.history.as_of(KEY, version=2) is None
        assert service.steps.names() == ["store:batch_get", "store:get"]

    def test_without_a_data_row_the_history_tells(self, service: Service) -> None:
        seed(service, OURS)
        remove(service, "data", "A1")
        state = service.module.history.as_of(KEY, version=3)
        assert state is not None
        assert state.name == "v3"

    def test_one_that_is_replaced_between_the_reads_is_found(self, service: Service) -> None:
        put(service, 2, OURS[1], current=True)

        def kept(call: Call) -> None:
            # A batch is no snapshot: it may see the new data row, and not yet the history row.
            if call.operation == "batch_get":
                put(service, 1, OURS[0])

        service.steps.after = kept
        state = service.module.history.as_of(KEY, version=1)
        assert state is not None
        assert state.sk == "A1@1"


class TestAsOfMoment:
    @pytest.mark.parametrize("moments", [OURS, THEIRS, [*THEIRS[:2], *OURS[2:]]])
    @pytest.mark.parametrize("zone", [UTC, TOKYO, timezone(-timedelta(hours=5))])
    def test_it_is_the_last_state_from_then_or_before(
        self, service: Service, moments: list[str], zone: timezone
    ) -> None:
        seed(service, moments)
        asked = [
            (moment(0, minute=59), None),
            (moment(1, second=1), 1),
            (moment(1, minute=59), 1),
            (moment(2, second=1), 2),
            (moment(3, minute=30), 3),
            (moment(4, second=1), 4),
            (moment(23), 4),
        ]
        assert [version_at(service, at.astimezone(zone)) for at, _ in asked] == [v for _, v in asked]

    def test_the_moment_itself_belongs_to_the_new_state(self, service: Service) -> None:
        seed(service, OURS)
        assert version_at(service, moment(2, microsecond=249_999)) == 1
        assert version_at(service, moment(2, microsecond=250_000)) == 2

    def test_what_the_pipeline_wrote_is_found(self, service: Service) -> None:
        before = datetime.now(UTC)
        service.publish_sync()
        service.publish_sync(version=1)
        first, second = (service.module.history.as_of(KEY, version=version) for version in (1, 2))
        assert first is not None
        assert second is not None
        assert first.updated_at is not None
        assert second.updated_at is not None
        assert version_at(service, before - timedelta(seconds=1)) is None
        assert version_at(service, second.updated_at) == 2
        if first.updated_at < second.updated_at:
            assert version_at(service, first.updated_at) == 1

    def test_of_several_in_one_second_the_last_one_counts(self, service: Service) -> None:
        seed(service, [THEIRS[0], THEIRS[1], THEIRS[1], THEIRS[2]])
        assert version_at(service, moment(2, minute=30)) == 3

    def test_versions_come_in_their_own_order(self, service: Service) -> None:
        for version in range(1, 12):
            put(service, version, f"2026-03-{version:02}T00:00:00+00:00", current=version == 11)
        assert version_at(service, datetime(2026, 3, 9, 12, tzinfo=UTC)) == 9
        assert version_at(service, datetime(2026, 3, 10, 12, tzinfo=UTC)) == 10

    def test_the_state_before_one_that_has_expired_is_not_taken_for_it(self, service: Service) -> None:
        seed(service, OURS)
        remove(service, "history", "A1@2")
        asked = [moment(1, minute=30), moment(2, minute=30), moment(3, minute=30)]
        # Nobody knows when version 2 began, so nothing is said about the time before version 3.
        assert [version_at(service, at) for at in asked] == [None, None, 3]

    def test_when_the_oldest_have_expired_the_rest_is_found(self, service: Service) -> None:
        seed(service, OURS)
        for version in (1, 2):
            remove(service, "history", f"A1@{version}")
        assert version_at(service, moment(2, minute=30)) is None
        assert version_at(service, moment(3, minute=30)) == 3

    def test_when_the_data_row_has_expired_its_time_is_unknown(self, service: Service) -> None:
        seed(service, OURS)
        remove(service, "data", "A1")
        assert version_at(service, moment(2, minute=30)) == 2
        assert version_at(service, moment(3, minute=30)) is None

    def test_a_deleted_state_is_a_state(self, service: Service) -> None:
        service.publish_sync()
        service.publish_sync(version=1, isDeleted=True)
        state = service.module.history.as_of(KEY, at=datetime.now(UTC) + timedelta(seconds=1))
        assert state is not None
        assert (state.version, state.is_deleted) == (2, True)

    def test_a_state_without_a_time_has_always_been(self, service: Service) -> None:
        put(service, 1, None, current=True)
        assert version_at(service, moment(1)) == 1

    def test_a_time_that_is_none_is_corrupt(self, service: Service) -> None:
        put(service, 1, "yesterday", current=True)
        with pytest.raises(CorruptRowError, match="updatedAt that is no time; repair it"):
            version_at(service, moment(1))

    @on_dynamodb
    def test_the_current_state_takes_one_call_and_an_earlier_one_two(self, service: Service) -> None:
        seed(service, OURS)
        version_at(service, moment(5))
        assert service.wire.names() == [GET]
        service.wire.clear()
        version_at(service, moment(2))
        assert service.wire.names() == [GET, QUERY]
        assert all(call.parameters["ConsistentRead"] for call in service.wire.calls)

    def test_every_page_of_the_history_is_read(self, service: Service) -> None:
        padding = {"S": "x" * 300_000}
        for version, updated_at in enumerate(OURS * 2, 1):
            put(
                service,
                version,
                OURS[0] if version < 7 else updated_at,
                current=version == 8,
                padding=padding,
            )
        service.steps.clear()
        assert version_at(service, moment(2)) == 6
        assert service.steps.names().count("store:query") > 1

    def test_what_is_replaced_between_the_reads_is_found(self, service: Service) -> None:
        seed(service, OURS)

        def replaced(call: Call) -> None:
            if call.operation == "query":
                service.steps.before = lambda _call: None
                put(service, 4, OURS[3])
                put(service, 5, "2026-03-01T05:00:00.000+00:00", current=True)

        service.steps.before = replaced
        assert version_at(service, moment(3, minute=30)) == 3

    @on_dynamodb
    def test_only_the_answer_is_fetched_from_the_bucket(
        self, make_service: Callable[..., Service], bucket: str
    ) -> None:
        service = make_service(bucket_name=bucket, attribute_limit=1000)
        for version in range(3):
            service.publish_sync(version=version, attributes={"blob": str(version) * 2000})
        states = [service.module.history.as_of(KEY, version=version) for version in (1, 2, 3)]
        assert [state.attributes["blob"][0] for state in states if state] == ["0", "1", "2"]
        for version, (table, sk) in enumerate((("history", "A1@1"), ("history", "A1@2"), ("data", "A1"))):
            service.set(table, sk, updatedAt=OURS[version])
        service.wire.clear()
        assert service.module.history.as_of(KEY, at=moment(2, minute=30)) is not None
        assert service.wire.names("s3") == ["s3:GetObject"]


class TestBadInput:
    @in_memory
    @pytest.mark.parametrize(
        ("arguments", "fields"),
        [
            ({}, ["version", "at"]),
            ({"version": 1, "at": moment(1)}, ["version", "at"]),
            ({"version": 0}, ["version"]),
            ({"version": -1}, ["version"]),
            ({"version": True}, ["version"]),
            ({"version": "1"}, ["version"]),
            ({"version": 1.0}, ["version"]),
            ({"at": datetime(2026, 3, 1)}, ["at"]),  # noqa: DTZ001
            ({"at": date(2026, 3, 1)}, ["at"]),
            ({"at": "2026-03-01T00:00:00Z"}, ["at"]),
            ({"at": 0}, ["at"]),
        ],
    )
    def test_as_of_takes_one_version_or_one_moment(
        self, service: Service, arguments: dict[str, Any], fields: list[str]
    ) -> None:
        with pytest.raises(InvalidInputError) as caught:
            service.module.history.as_of(KEY, **arguments)
        assert [problem.field for problem in caught.value.problems] == fields
        assert service.wire.names() == []

    @in_memory
    def test_a_foreign_key_is_refused(self, service: Service) -> None:
        with use_invoke_context(service.user()):
            for read in (
                lambda: service.module.history.as_of(("TODO#globex", "A1"), version=1),
                lambda: service.module.history.publish(("TODO#globex", "A1")),
            ):
                with pytest.raises(ForbiddenError):
                    read()
        assert service.wire.names() == []


class TestGetItem:
    def test_the_version_may_be_in_the_key(self, service: Service) -> None:
        seed(service, OURS)
        history = service.module.history
        assert history.get_item((PK, "A1@2")) == history.get_item(KEY, 2) is not None

    @in_memory
    @pytest.mark.parametrize("arguments", [(KEY,), (KEY, 0), (KEY, "2"), ((PK, "A1@2"), 2), ((PK, "A1@0"),)])
    def test_one_version_is_needed(self, service: Service, arguments: Any) -> None:
        with pytest.raises(InvalidInputError, match="version"):
            service.module.history.get_item(*arguments)
        assert service.wire.names() == []


class TestPublish:
    def test_it_keeps_the_current_state_by_its_own_version(self, service: Service) -> None:
        service.publish_sync()
        service.publish_sync(version=1)
        service.steps.clear()
        kept = service.module.history.publish(KEY)
        assert service.steps.names() == ["store:get", "store:write"]
        assert kept is not None
        assert kept == service.module.history.get_item(KEY, 2)
        assert service.row("history", "A1@2") == (service.row("data", "A1") or {}) | {"sk": "A1@2"}
        assert version_at(service, datetime.now(UTC) + timedelta(seconds=1)) == 2

    def test_it_replaces_what_is_there(self, service: Service) -> None:
        put(service, 1, OURS[0], name={"S": "wrong"})
        put(service, 1, OURS[0], current=True)
        service.module.history.publish(KEY)
        assert (service.row("history", "A1@1") or {})["name"] == "v1"

    def test_without_a_data_row_nothing_is_kept(self, service: Service) -> None:
        service.publish()
        service.steps.clear()
        assert service.module.history.publish(KEY) is None
        assert service.steps.names() == ["store:get"]

    def test_it_has_the_retention_of_the_history(
        self, make_service: Callable[..., Service], master: str
    ) -> None:
        service = make_service(master_data_override=master)
        service.module.ttl.set_ttl_configuration("history", 3, "acme")
        put(service, 1, OURS[0], current=True, ttl={"N": "4102444800"})
        service.module.history.publish(KEY)
        ttl = int((service.row("history", "A1@1") or {})["ttl"])
        assert abs(ttl - datetime.now(UTC).timestamp() - 3 * 86_400) < 60


class TestPage:
    def test_a_page_reads_its_own_states_however_many_there_are(self, service: Service) -> None:
        seed(service, OURS[:1] * 40)
        read: list[int] = []
        for after, last in ((0, 20), (20, None)):
            service.steps.clear()
            page = service.module.history.page(KEY, after=after)
            assert service.steps.names() == ["store:get", "store:batch_get"]
            read.append(len(service.steps.calls[1].parameters["arguments"][0]))
            assert [state.version for state in page.items] == list(range(after + 1, after + read[-1] + 1))
            assert page.last_version == last
        assert read == [20, 19]

    def test_behind_the_last_one_there_is_nothing(self, service: Service) -> None:
        seed(service, OURS)
        page = service.module.history.page(KEY, after=len(OURS) - 1)
        assert (page.items, page.last_version) == ([], None)
        assert service.steps.names() == ["store:get"]

    def test_states_that_are_gone_are_passed_over(self, service: Service) -> None:
        seed(service, OURS[:1] * 12)
        for version in (1, 2, 5):
            remove(service, "history", f"A1@{version}")
        page = service.module.history.page(KEY, limit=4)
        assert [state.version for state in page.items] == [3, 4, 6, 7]
        assert page.last_version == 7
        rest = service.module.history.page(KEY, after=7)
        assert ([state.version for state in rest.items], rest.last_version) == ([8, 9, 10, 11], None)

    def test_without_a_data_row_all_that_is_kept_is_there(self, service: Service) -> None:
        seed(service, OURS)
        remove(service, "data", "A1")
        page = service.module.history.page(KEY, limit=2)
        assert ([state.version for state in page.items], page.last_version) == ([1, 2], 2)

    def test_what_is_replaced_meanwhile_is_on_a_later_page(self, service: Service) -> None:
        for version in range(3):
            service.publish_sync(version=version)

        def replace(call: Call) -> None:
            if call.operation == "get":
                service.steps.after = lambda _call: None
                service.again().publish_sync(version=3)

        service.steps.after = replace
        page = service.module.history.page(KEY)
        assert ([state.version for state in page.items], page.last_version) == ([1, 2], None)
        assert [state.version for state in service.module.history.page(KEY, after=2).items] == [3]
