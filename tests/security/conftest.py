from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.scale import COMPLETE
from tests.security.target import ADMIN, Answer, Target, claims_of, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator

#: A stack of its own is deployed for it.
collect_ignore = [] if COMPLETE else ["test_deployed_sessions.py"]

CALLER = claims_of("limits", ADMIN)
#: An answer that is no page has no reason to be longer.
LONGEST = 20_000


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    def emulator() -> Emulator:
        found: Emulator = request.getfixturevalue("emulator")
        return found

    # For a module at the most: it sets the environment of its functions, which is everybody's.
    with running(emulator, tmp_path_factory.mktemp("store") / "store.db") as found:
        yield found


@pytest.fixture(scope="module")
def only_item(target: Target) -> Iterator[None]:
    """The item L1, and a look afterwards whether a request that was refused has written something."""
    body = {"sk": "L1", "version": 0, "name": "n", "attributes": {"a": 1}}
    assert target.send("POST", "/notes", CALLER, body=body).status == 202
    yield
    # Beside the session is the note that the item is new.
    written = {key for key in target.rows() if key[1].endswith("#limits") and not key[2].startswith("#new#")}
    assert {key[1:] for key in written} == {
        ("NOTE#limits", "L1@1"),
        ("eve#limits", "note#NOTE#limits#L1"),
    }, "a request that was refused wrote something"


@pytest.fixture
def send(target: Target, only_item: None) -> Callable[..., Answer]:  # noqa: ARG001 - it has to be there
    """Sends a request that is to be refused: soon, shortly, and not with a 5xx."""

    def sender(method: str, path: str, text: str | bytes = b"", **headers: str) -> Answer:
        content = text if isinstance(text, bytes) else text.encode()
        began = time.process_time()
        answer = target.send(method, path, CALLER, headers=headers, content=content)
        assert time.process_time() - began < 5  # of the processor: others may have it meanwhile
        assert answer.status < 500, answer.text
        assert '"status":5' not in answer.text
        assert len(answer.content) < LONGEST
        assert "Traceback" not in answer.text
        return answer

    return sender
