"""What is found in an AWS on this machine that is on its way out."""

from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.local.endpoint import Endpoint
from constructs_lib.local.service.deployed import Stack, stacks_of
from tests.support.wire import Call, Wire

STACKS = """<DescribeStacksResponse><DescribeStacksResult><Stacks><member>
    <StackName>app</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""


class Ending(Endpoint):
    """It answers some operations, and says nothing to the others."""

    def __init__(self, **answers: str) -> None:
        super().__init__(1)
        self._answers = answers

    def client(self, service: str, **options: Any) -> Any:
        wire = Wire()
        wire.answer(lambda call: (200, self._answers.get(call.operation, _nothing(call))))
        return wire.listen(super().client(service, **options))


def _nothing(call: Call) -> str:
    name = call.operation
    return f"<{name}Response><{name}Result/></{name}Response>" if call.service == "cloudformation" else "{}"


@pytest.mark.parametrize(
    ("answers", "found"),
    [({}, []), ({"DescribeStacks": STACKS}, [Stack("app", "CREATE_COMPLETE", (), ())])],
)
def test_an_answer_without_a_list_lists_nothing(answers: dict[str, str], found: list[Stack]) -> None:
    assert stacks_of(Ending(**answers)) == found
