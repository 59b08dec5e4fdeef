"""The service of `bench/app.py` on the local AWS, and its users."""

from __future__ import annotations

import re
import secrets
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from constructs_lib.local import CdkCli, Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PREFIX", "Deployed", "deployed"]

#: What the names of its tables begin with.
PREFIX: Final = "local-bench"
_ROOT: Final = Path(__file__).parents[1]
_APP: Final = Path(__file__).with_name("app.py")


class Deployed:
    """The service, deployed.

    Args:
        emulator: Where.
        outputs: Outputs of its stack.

    Attributes:
        tables: A client of DynamoDB there.
    """

    def __init__(self, emulator: Emulator, outputs: dict[str, str]) -> None:
        self.emulator = emulator
        self.outputs = outputs
        self.tables: Any = emulator.client("dynamodb")

    def user(self, tenant: str) -> httpx.Client:
        """An HTTP client of a new user of a tenant."""
        found = re.search(r"//([^.]+)\.execute-api", self.outputs["ApiUrl"])
        assert found  # noqa: S101 - the construct makes it so
        return httpx.Client(
            base_url=self.emulator.http_api_url(found[1]),
            headers={"authorization": f"Bearer {self._token(tenant)}"},
            timeout=60,
        )

    def _token(self, tenant: str) -> str:
        cognito = self.emulator.client("cognito-idp")
        pool, name = self.outputs["UserPoolId"], f"{uuid.uuid4().hex}@example.com"
        password = secrets.token_urlsafe(16) + "aA1!"
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=name,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": name}, {"Name": "custom:tenant", "Value": tenant}],
        )
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
        answer = cognito.initiate_auth(
            ClientId=self.outputs["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        found: str = answer["AuthenticationResult"]["IdToken"]
        return found


@contextmanager
def deployed() -> Iterator[Deployed]:
    """The service on a local AWS of its own, for as long as it is looked at."""
    with Emulator(folder=_ROOT / ".local-aws") as emulator:
        cli = CdkCli(emulator, app=str(_APP), cwd=_ROOT)
        cli.bootstrap()
        yield Deployed(emulator, cli.deploy()["Bench"])
