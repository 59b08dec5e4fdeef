"""Leaving the service running, for whoever wants to play with it."""

from __future__ import annotations

import contextlib
import threading
from shlex import quote
from typing import TYPE_CHECKING

from rich.markup import escape

from constructs_lib.local.service.first_call import write_headers

if TYPE_CHECKING:
    from examples.demo.client import Client
    from examples.demo.place import Place
    from examples.demo.screen import Screen

__all__ = ["keep_running"]

_FOR_THE_AWS_CLI = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
_REFRESH_SECONDS = 30 * 60  # a token is good for an hour


def keep_running(screen: Screen, place: Place, client: Client) -> None:
    """Say how to reach everything, and keep the token fresh until Ctrl-C."""
    headers = place.aws.run_folder / "headers.txt"
    write_headers(headers, client.sign_in())
    path, body = place.example.create
    create, find = (quote(f"{place.api_url}{each}") for each in (path, place.example.path))  # with a $ in it
    screen.heading("It keeps running. Ctrl-C stops it and removes everything")
    for name, text in (
        ("API", place.api_url),
        ("AWS", f"export {' '.join(f'{name}={place.aws.environment[name]}' for name in _FOR_THE_AWS_CLI)}"),
        ("SQL", place.database_url),
        ("create", f"curl -H @{quote(str(headers))} {create} -d {quote(body)}"),
        ("list", f"curl -H @{quote(str(headers))} {find}"),
    ):
        screen.console.print(f"  [dim]{name:<7}[/dim]{escape(text)}", soft_wrap=True)
    screen.say(f"  [dim]The token of {client.email} in that file is renewed while this runs.[/dim]")
    with contextlib.suppress(KeyboardInterrupt):
        while not threading.Event().wait(_REFRESH_SECONDS):
            write_headers(headers, client.sign_in())
