from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime.entry.http.api import HttpApi
from runtime.log import log_context, logger
from tests.support.http_events import REQUEST_ID, http_event

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[str], dict[str, Any]]:
    def log(message: str) -> dict[str, Any]:
        logger.info(message)
        entry: dict[str, Any] = json.loads(logger.registered_formatter.format(caplog.records[-1]))
        return {name: entry[name] for name in ("request_id", "execution_id", "module") if name in entry}

    return log


def test_a_line_says_what_it_is_about_and_only_while_it_is(logged: Any) -> None:
    with log_context(request_id="r1", module="order"):
        assert logged("outer") == {"request_id": "r1", "module": "order"}
        with log_context(execution_id="e1", module="note"):
            assert logged("inner") == {"request_id": "r1", "execution_id": "e1", "module": "note"}
        assert logged("outer again") == {"request_id": "r1", "module": "order"}
    assert logged("after") == {}


def test_an_error_takes_the_keys_away_too(logged: Any) -> None:
    with pytest.raises(KeyError), log_context(request_id="r1"):
        raise KeyError
    assert logged("after") == {}


def test_a_request_is_on_its_lines(logged: Any) -> None:
    router, found = Router(), []

    @router.get("/hello")
    def hello() -> None:
        found.append(logged("hello"))

    assert HttpApi([router]).handle(http_event("GET", "/hello"), None)["statusCode"] == 200
    assert found == [{"request_id": REQUEST_ID}]
    assert logged("after") == {}
