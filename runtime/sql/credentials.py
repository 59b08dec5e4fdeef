"""Who signs in to the database: what a secret says, or IAM."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Engine, event, make_url

from runtime.aws_errors import error_code
from runtime.errors import ConfigurationError, ReadModelUnavailableError
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Secret", "is_secret", "read_secret", "signed_in"]

_ARN: Final = re.compile(r"arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):\d*:secret:\S+")
_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_CONNECT_SECONDS: Final = 2
_READ_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Secret:
    """What a secret says of a database.

    Attributes:
        arn: Its ARN, for errors.
        text: A URL, or the JSON object that RDS writes.
    """

    arn: str
    text: str

    @property
    def url(self) -> str:
        """The URL of the database.

        Raises:
            ConfigurationError: It is not in the secret.
        """
        fields = self._fields()
        if fields is None:
            return self.text.strip()
        if not fields.get("host"):
            msg = (
                f"the secret {self.arn} does not say where the database is: it has no host; "
                "give a URL with the parameter secret_arn=… instead"
            )
            raise ConfigurationError(msg)
        engine = str(fields.get("engine", "postgresql")).removeprefix("aurora-").removeprefix("rds-")
        url = URL.create(
            "postgresql" if engine.startswith("postgres") else engine,
            username=_text(fields, "username"),
            password=_text(fields, "password"),
            host=_text(fields, "host"),
            port=int(fields["port"]) if fields.get("port") else None,
            database=_text(fields, "dbname") or _text(fields, "database"),
        )
        return url.render_as_string(hide_password=False)

    @property
    def sign_in(self) -> tuple[str | None, str | None]:
        """User and password; None for what the secret leaves to the URL.

        Raises:
            ConfigurationError: There is no password in it.
        """
        fields = self._fields()
        if fields is None:
            url = make_url(self.text.strip())
            return url.username, url.password
        if not fields.get("password"):
            msg = f"the secret {self.arn} must have a password, and a username where the URL has none"
            raise ConfigurationError(msg)
        return _text(fields, "username"), _text(fields, "password")

    def _fields(self) -> Mapping[str, Any] | None:
        """The fields of a JSON object; None for a URL."""
        try:
            found = json.loads(self.text)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        if "://" not in self.text:
            msg = f"the secret {self.arn} must be a URL, or a JSON object with username, password and host"
            raise ConfigurationError(msg)
        return None


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return None if value in (None, "") else str(value)


def is_secret(text: str) -> bool:
    """Whether a text is the ARN of a secret."""
    return _ARN.fullmatch(text) is not None


def read_secret(arn: str) -> Secret:
    """Read a secret. One call.

    Raises:
        ConfigurationError: It is not there, or may not be read.
        ReadModelUnavailableError: Secrets Manager is busy or out of reach.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        msg = f"secret_arn must be the ARN of a secret of Secrets Manager, got {arn[:100]!r}"
        raise ConfigurationError(msg)
    try:
        answer = _client("secretsmanager", match[1]).get_secret_value(SecretId=arn)
    except Exception as error:
        kind = error_code(error) or type(error).__name__
        if is_unavailable(error):
            msg = f"Secrets Manager is busy or out of reach ({kind})"
            raise ReadModelUnavailableError(msg) from error
        msg = (
            f"the secret {arn} cannot be read ({kind}); "
            "grant secretsmanager:GetSecretValue to the function, or mend the ARN"
        )
        raise ConfigurationError(msg) from error
    return Secret(arn, answer.get("SecretString", ""))


def signed_in(engine: Engine, url: URL, *, secret_arn: str | None, iam: bool) -> None:
    """Let each new connection ask who signs in, so that a rotation or a token's end is no outage."""
    if secret_arn is None and not iam:
        return

    def sign_in(dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
        found = url
        if secret_arn is not None:
            user, password = read_secret(secret_arn).sign_in
            found = found.set(username=user or found.username, password=password)
        if iam:
            found = found.set(password=_token(found))
        given = dialect.create_connect_args(found)[1]
        options |= {name: value for name, value in given.items() if name not in url.query}

    event.listen(engine, "do_connect", sign_in)


def _token(url: URL) -> str:
    """A password that is good for 15 minutes, made here with the function's own rights."""
    if not (url.host and url.username):
        msg = "to sign in with IAM, the URL must name the host and the user of the database"
        raise ConfigurationError(msg)
    port = url.port or _PORTS.get(url.get_backend_name(), 0)
    token: str = _client("rds").generate_db_auth_token(
        DBHostname=url.host, Port=port, DBUsername=url.username
    )
    return token


def _client(service: str, region: str | None = None) -> Any:  # noqa: ANN401 - boto3 clients are made at run time
    import boto3  # noqa: PLC0415 - for those who need it
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=region,
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )
