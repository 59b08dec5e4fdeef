"""The routes of a module that are about many items: bulk publish and re-sync."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from pydantic import SkipValidation, ValidationError

from runtime.entry.http.conditions import Expected
from runtime.entry.http.json_format import dumps
from runtime.entry.http.module_bodies import BulkResult, BulkResults, Publish, Resync, ResyncProgress
from runtime.entry.http.module_endpoint import Mode, ModuleEndpoint, ModuleRoute
from runtime.entry.http.module_writes import ModeParameter, publish_state, receipt
from runtime.entry.http.problems import problem_of
from runtime.errors import FieldProblem, InvalidInputError
from runtime.identity.context import HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE
from runtime.model.attributes_type import attributes_type
from runtime.model.keys import VERSION_LATEST
from runtime.model.validation import field_problems
from runtime.store.answer_size import MAX_ANSWER, answer_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runtime.commands.packs import PackItem
    from runtime.model.models import CommandModel
    from runtime.pipeline.resync import Progress

__all__ = ["bulk_route", "resync_route"]

_THREADS = 8
#: Bytes that the problem documents of one answer may take.
_MAX_PROBLEMS = MAX_ANSWER // 4
_BRIEF = ("type", "title", "status", "written")


@dataclass(slots=True)
class _Asked:
    """One command of a bulk request, and what becomes of it.

    Attributes:
        index: Its place in the request.
        item: The command, as JSON that nobody has checked.
        sk: Sort key, as far as it is known.
        publish_id: Id of its publish.
        version: The version that it builds on, once it is known.
        published: What was published; None where nothing would change.
        error: What stood in the way.
    """

    index: int
    item: Any
    sk: str | None = None
    publish_id: str | None = None
    version: int = VERSION_LATEST
    published: CommandModel[Any] | None = None
    error: Exception | None = None

    def __post_init__(self) -> None:
        """Take over the sort key, if it is one."""
        sk = self.item.get("sk") if isinstance(self.item, dict) else None
        self.sk = sk if isinstance(sk, str) else None

    @property
    def content(self) -> dict[str, Any]:
        """What tells one command: that command, not all of the request.

        A mended one may be sent with those that are done.
        """
        return {"command": self.item}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is raised in the block: one command must not take the others with it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self.error = error


class _EnoughError(Exception):
    """Ends a re-sync after the pages that were asked for."""


def bulk_route(
    endpoint: ModuleEndpoint[Any],
    attributes: Any,  # noqa: ANN401 - a type
    roles: tuple[str, ...],
    limit: int,
) -> ModuleRoute:
    """The route that publishes many commands, each on its own."""
    command_model: Any = Publish[attributes]
    many = _Many(endpoint, command_model)

    def bulk(body: list[Any], mode: ModeParameter = "async") -> Response[BulkResults]:
        if not 1 <= len(body) <= limit:
            message = f"must be a list of 1 to {limit} commands, got {len(body)}"
            raise InvalidInputError([FieldProblem("body", message)])
        endpoint.items.tenant(write=True)  # nobody who may not write gets one refusal an item
        asked = [_Asked(index, item) for index, item in enumerate(body)]
        if mode == "sync":
            many.apply(asked)
        else:
            many.accept(asked)
        results = [_result(each, mode) for each in asked]
        _shorten(results)
        return Response(
            HTTPStatus.MULTI_STATUS, content_type="application/json", body=BulkResults(items=results)
        )

    # Checked one by one, later: one wrong command must not refuse the others.
    bulk.__annotations__["body"] = list[SkipValidation[command_model]]
    responses = {207: ("What became of each command", BulkResults)}
    headers = (HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE)
    return ModuleRoute("bulk", "POST", "/bulk", bulk, responses, roles, headers=headers)


def resync_route(endpoint: ModuleEndpoint[Any], roles: tuple[str, ...]) -> ModuleRoute:
    """The route that shows the data rows to the data sync handlers again, some pages a request."""

    def resync(body: Resync) -> ResyncProgress:
        pages: list[Progress] = []

        def count(progress: Progress) -> None:
            pages.append(progress)
            if len(pages) >= body.pages and progress.resume_token:
                raise _EnoughError

        try:
            endpoint.module.commands.re_sync_data(
                handlers=body.handlers,
                resume_from=body.resume_from,
                on_page=count,
                invoke_context=endpoint.caller(),
            )
        except _EnoughError:
            return ResyncProgress(rows=pages[-1].total, resume_token=pages[-1].resume_token)
        return ResyncProgress(rows=pages[-1].total if pages else 0)

    return ModuleRoute("resync", "PUT", "/resync", resync, {200: ("How far it is", ResyncProgress)}, roles)


@dataclass(frozen=True, slots=True)
class _Many:
    """Publishes the commands of a bulk request.

    Attributes:
        endpoint: The module.
        model: What a command is.
    """

    endpoint: ModuleEndpoint[Any]
    model: Any

    def accept(self, asked: Sequence[_Asked]) -> None:
        """Publish them one by one, those of some items at the same time."""
        _ = self.endpoint.module.commands, self.endpoint.module.resources.store
        with ThreadPoolExecutor(_THREADS) as threads:
            # Each thread knows who asks.
            tasks = [threads.submit(copy_context().run, self._accept, group) for group in _groups(asked)]
            for task in tasks:
                task.result()

    def _accept(self, group: Sequence[_Asked]) -> None:
        for each in group:
            with each.noting():
                sk, command = self._checked(each)
                expected = Expected(each.version, conditional=False)
                each.published = publish_state(
                    self.endpoint, sk, command, expected, "async", each.publish_id, each.content
                )

    def apply(self, asked: Sequence[_Asked]) -> None:
        """Apply them, in as few calls as there may be. The handlers run one after another."""
        packed: list[tuple[_Asked, PackItem[Any]]] = []
        for each in asked:
            with each.noting():
                sk, command = self._checked(each)
                self.endpoint.check_reachable(sk, each.publish_id)
                item = self.endpoint.items.pack_item(
                    sk,
                    command.attributes,
                    version=each.version,
                    name=command.name,
                    code=command.code,
                    seq=command.seq,
                    ttl=command.ttl,
                    source=self.endpoint.source("publish"),
                    publish_id=each.publish_id,
                    content=each.content,
                )
                packed.append((each, item))
        outcomes = self.endpoint.module.commands.publish_pack([item for _, item in packed], sync=True)
        for (each, _), outcome in zip(packed, outcomes, strict=True):
            each.published, each.error = outcome.command, outcome.error

    def _checked(self, each: _Asked) -> tuple[str, Publish[Any]]:
        """The sort key of a command, and the command."""
        each.publish_id = self.endpoint.publish_id(each.index)
        command = _checked(self.model, each.item)
        self.endpoint.check_ttl("bulk", command.ttl)
        each.version = Expected.of({}, command.version).version
        each.sk = sk = command.sk or self.endpoint.items.new_sk(each.publish_id)
        return sk, command


def _groups(asked: Iterable[_Asked]) -> Iterable[list[_Asked]]:
    """Commands for the same item keep their order; the others need not wait for them."""
    groups: dict[str | int, list[_Asked]] = {}
    for each in asked:
        groups.setdefault(each.index if each.sk is None else each.sk, []).append(each)
    return groups.values()


def _result(each: _Asked, mode: Mode) -> BulkResult:
    if each.error is not None:
        problem = problem_of(each.error)
        return BulkResult(index=each.index, status=problem.status, sk=each.sk, problem=problem.document())
    if each.published is None:
        version = each.version if each.version > 0 else None
        return BulkResult(index=each.index, status=HTTPStatus.NO_CONTENT, sk=each.sk, version=version)
    status = HTTPStatus.ACCEPTED
    if mode == "sync":
        status = HTTPStatus.CREATED if each.published.version == 1 else HTTPStatus.OK
    made = receipt(each.published)
    return BulkResult(
        index=each.index, status=status, sk=each.sk, version=made.version, request_id=made.request_id
    )


def _shorten(results: list[BulkResult]) -> None:
    """Keep the answer to what Lambda passes on: what was written is written, and has to be told."""
    used = 0
    for result in results:
        if result.problem is not None:
            used += answer_bytes(dumps(result.problem))
            if used > _MAX_PROBLEMS:
                result.problem = {name: result.problem[name] for name in _BRIEF if name in result.problem}


def _checked(model: Any, item: Any) -> Publish[Any]:  # noqa: ANN401 - a type, and unchecked JSON
    if not isinstance(item, dict):
        raise InvalidInputError([FieldProblem("body", "must be a JSON object")])
    try:
        checked: Publish[Any] = model.model_validate(attributes_type(model).from_json(item))
    except ValidationError as error:
        raise InvalidInputError(field_problems(error)) from error
    return checked
