"""A story is told in chapters: one request each, and what becomes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from constructs_lib.local.console import seconds_text
from examples.demo.errors import DemoError
from examples.demo.watch import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from examples.demo.client import Answer, Client
    from examples.demo.screen import Screen
    from examples.demo.watch import Sighting

__all__ = ["Chapter", "Request", "Story", "tell_chapter"]


@dataclass(frozen=True)
class Request:
    """What the user does.

    Attributes:
        title: In a word.
        method: HTTP method.
        path: Path and query.
        body: JSON; None for none.
        expected: Status of the answer.
    """

    title: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    expected: int = 202


@dataclass(frozen=True)
class Chapter:
    """One request and what became of it.

    Attributes:
        title: What the user did.
        answer: What the API answered.
        sightings: The traces of it.
    """

    title: str
    answer: Answer
    sightings: Sequence[Sighting]


@dataclass(frozen=True)
class Story:
    """What there is to sum up.

    Attributes:
        chapters: The chapters.
        columns: Labels of the sightings that all of them have, for the table of times.
        said: What happened in all, line by line.
    """

    chapters: Sequence[Chapter]
    columns: Sequence[str]
    said: Sequence[str]


def tell_chapter(
    screen: Screen,
    client: Client,
    request: Request,
    sightings_of: Callable[[Answer], Sequence[Sighting]],
    answered: Callable[[Answer], str],
) -> Chapter:
    """Send a request, and wait for all that it leaves behind.

    Args:
        screen: Where to show it.
        client: Who sends it.
        request: The request.
        sightings_of: What to look for, after an answer.
        answered: What to say of the answer.

    Raises:
        DemoError: The API answered something else, or a trace did not show up.
    """
    screen.heading(f"{request.title}: {request.method} {request.path}")
    if request.body:
        screen.say(f"       [dim]{escape(json.dumps(request.body))}[/dim]")
    answer = client.send(request.method, request.path, request.body)
    if answer.status != request.expected:
        msg = f"{request.method} {request.path} was answered with {answer.status}: {json.dumps(answer.body)}"
        raise DemoError(msg)
    screen.say(f"       [green]{answered(answer)}[/green] after {seconds_text(answer.seconds)}")
    sightings = sightings_of(answer)
    with screen.watching(sightings) as on_sight:
        watch(sightings, since=answer.sent_at, on_sight=on_sight)
    return Chapter(request.title, answer, sightings)
