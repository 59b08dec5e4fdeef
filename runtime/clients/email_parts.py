"""What an e-mail is made of."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING

from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Attachment", "Recipients", "check_lines", "mime_message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Who gets an e-mail. ``bcc`` is in no header."""

    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        return bool(self.to or self.cc or self.bcc)

    @property
    def destination(self) -> dict[str, list[str]]:
        """The recipients as SES's API wants them."""
        fields = {"ToAddresses": self.to, "CcAddresses": self.cc, "BccAddresses": self.bcc}
        return {name: list(addresses) for name, addresses in fields.items() if addresses}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an e-mail.

    Attributes:
        filename: Its name, as the reader sees it.
        content: What is in it. All of an e-mail together may have 40 MB.
        content_type: Its MIME type.
    """

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"


def check_lines(**fields: Sequence[str]) -> None:
    """Refuse line breaks in headers, which would begin a header of the caller's own."""
    problems = [
        FieldProblem(name, "must be one line")
        for name, values in fields.items()
        if any("\n" in value or "\r" in value for value in values)
    ]
    if problems:
        raise InvalidInputError(problems)


def mime_message(
    recipients: Recipients,
    *,
    sender: str,
    subject: str,
    html: str,
    text: str | None,
    reply_to: Sequence[str],
    attachments: Sequence[Attachment],
) -> bytes:
    """The e-mail as MIME. Those in ``bcc`` are in no header of it."""
    message = EmailMessage()
    headers = {
        "Subject": subject,
        "From": sender,
        "To": ", ".join(recipients.to),
        "Cc": ", ".join(recipients.cc),
        "Reply-To": ", ".join(reply_to),
    }
    for name, value in headers.items():
        if value:
            message[name] = value
    if text is None:
        message.set_content(html, subtype="html")
    else:
        message.set_content(text)
        message.add_alternative(html, subtype="html")
    for attachment in attachments:
        maintype, _, subtype = attachment.content_type.partition("/")
        message.add_attachment(
            attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename
        )
    return message.as_bytes()
