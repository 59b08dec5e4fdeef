"""How to call what is deployed: the end of `deploy` and `watch`, and `token`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from constructs_lib.local.console import complain, say
from constructs_lib.local.errors import NoApiError, SignInFailedError
from constructs_lib.local.running import need_running
from constructs_lib.local.service.deployed import stacks_of
from constructs_lib.local.service.first_call import first_call
from constructs_lib.local.service.sign_in import TestUser

if TYPE_CHECKING:
    from argparse import Namespace

    from constructs_lib.local.endpoint import Endpoint
    from constructs_lib.local.service.deployed import Api, Stack

__all__ = ["show_calls", "token"]

_PROGRAM = "python -m constructs_lib.local"


def show_calls(aws: Endpoint, options: Namespace) -> None:
    """Say of each HTTP API where it is, with a token and requests to paste."""
    user = _user(options)
    stacks = stacks_of(aws)
    for stack in stacks:
        for api in stack.apis:
            say()
            say(f"{stack.name} answers at {api.url}", style="bold")
            _show_call(aws, api, user)
    if not any(stack.apis for stack in stacks):
        say()
        say("There is no HTTP API in what is deployed, so nothing to call.")
    say()
    say(f"Logs: {_PROGRAM} logs --follow    Again at each change: {_PROGRAM} watch")
    say(f'AWS is at {aws.endpoint_url}; for a shell that shall talk to it: eval "$({_PROGRAM} env)"')


def token(options: Namespace) -> int:
    """Print a token, and nothing else on standard output: a script takes it from there.

    Raises:
        NoApiError: Nothing takes a token of a user pool, or several do and none was chosen.
        SignInFailedError: The user could not sign in.
    """
    aws, user = need_running(options.folder), _user(options)
    found = [
        (stack, api)
        for stack in stacks_of(aws)
        for api in stack.apis
        if api.pool_id and options.stack in {None, stack.name}
    ]
    api = _only(found, options.stack)
    call = first_call(aws, api, user)
    if options.export:
        say(f"export API_URL={shlex.quote(call.url)}")
        say(f"export API_TOKEN={call.token}")
    else:
        say(str(call.token))
    complain(f"for {user}; it is in {call.headers}, too: curl -H @{call.headers}")
    return 0


def _show_call(aws: Endpoint, api: Api, user: TestUser) -> None:
    try:
        call = first_call(aws, api, user)
    except SignInFailedError as error:
        say(f"  {error}")
        return
    if call.token:
        say(f"  user   {user}")
        say(f"  token  {call.token}", style="dim")
    else:
        say("  It takes no token of a user pool.")
    for line in call.curl:
        say(f"  {line}")
    if call.token:
        say(f"  The token is good for an hour; `{_PROGRAM} token` renews it, in that file, too.", style="dim")


def _user(options: Namespace) -> TestUser:
    return TestUser(options.user, options.tenant, tuple(options.role))


def _only(found: list[tuple[Stack, Api]], stack: str | None) -> Api:
    if not found:
        of = f"the stack {stack} has" if stack else "what is deployed has"
        message = f"{of} no HTTP API that takes the token of a user pool; see `status`"
        raise NoApiError(message)
    names = list(dict.fromkeys(one.name for one, _ in found))
    if len(names) > 1:
        message = f"several stacks take tokens; choose one with --stack: {', '.join(names)}"
        raise NoApiError(message)
    return found[0][1]
