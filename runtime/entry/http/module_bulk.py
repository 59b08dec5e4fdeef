"""The routes of a module that are about many items: bulk publish and re-sync."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
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
from runtime.model.validation import field_problems
from runtime.store.answer_size import MAX_ANSWER, answer_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.pipeline.resync import Progress

__all__ = ["bulk_route", "resync_route"]

_THREADS = 8
#: Bytes that the problem documents of one answer may take.
_MAX_PROBLEMS = MAX_ANSWER // 4
_BRIEF = ("type", "title", "status", "written")


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

    def bulk(body: list[Any], mode: ModeParameter = "async") -> Response[BulkResults]:
        if not 1 <= len(body) <= limit:
            message = f"must be a list of 1 to {limit} commands, got {len(body)}"
            raise InvalidInputError([FieldProblem("body", message)])
        endpoint.items.tenant(write=True)  # nobody who may not write gets one refusal an item
        groups: dict[Any, list[tuple[int, Any]]] = {}
        for index, item in enumerate(body):
            sk = item.get("sk") if isinstance(item, dict) else None
            # Commands for the same item keep their order; the others need not wait for them.
            groups.setdefault(sk if isinstance(sk, str) else index, []).append((index, item))

        def work(group: Sequence[tuple[int, Any]]) -> list[BulkResult]:
            return [publish_one(index, item, mode) for index, item in group]

        if mode == "sync":  # the handlers run here, and theirs may be one connection
            done = [work(group) for group in groups.values()]
        else:
            _ = endpoint.module.commands, endpoint.module.resources.store
            with ThreadPoolExecutor(_THREADS) as threads:
                # Each thread knows who asks.
                tasks = [threads.submit(copy_context().run, work, group) for group in groups.values()]
                done = [task.result() for task in tasks]
        results = sorted((result for group in done for result in group), key=lambda result: result.index)
        _shorten(results)
        return Response(
            HTTPStatus.MULTI_STATUS, content_type="application/json", body=BulkResults(items=results)
        )

    def publish_one(index: int, item: Any, mode: Mode) -> BulkResult:  # noqa: ANN401 - unchecked JSON
        sk = item.get("sk") if isinstance(item, dict) else None
        sk = sk if isinstance(sk, str) else None
        try:
            publish_id = endpoint.publish_id(index)
            command = _checked(command_model, item)
            endpoint.check_ttl("bulk", command.ttl)
            expected = Expected.of({}, command.version)
            sk = command.sk or endpoint.items.new_sk(publish_id)
            # What tells one command is that command, not all of the request: a mended one may be sent
            # with those that are done.
            published = publish_state(endpoint, sk, command, expected, mode, publish_id, {"command": item})
        except Exception as error:  # noqa: BLE001 - one command must not take the others with it
            problem = problem_of(error)
            return BulkResult(index=index, status=problem.status, sk=sk, problem=problem.document())
        if published is None:
            version = expected.version if expected.version > 0 else None
            return BulkResult(index=index, status=HTTPStatus.NO_CONTENT, sk=sk, version=version)
        status = HTTPStatus.ACCEPTED
        if mode == "sync":
            status = HTTPStatus.CREATED if published.version == 1 else HTTPStatus.OK
        made = receipt(published)
        return BulkResult(index=index, status=status, sk=sk, version=made.version, request_id=made.request_id)

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
