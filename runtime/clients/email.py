"""E-mail through SES: HTML with attachments, and inline templates."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from runtime.aws_errors import error_code, is_busy
from runtime.clients.calls import Calls
from runtime.clients.email_fields import check_header_fields, filled_subject
from runtime.errors import ConfigurationError, DeliveryError, FieldProblem, InvalidInputError
from runtime.log import logger
from runtime.model.json_text import message_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.settings import Settings

__all__ = ["Attachment", "EmailService", "Recipients"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Who gets an e-mail. ``bcc`` is in no header.

    Each entry is one address, with or without a name: ``ann@example.com``, ``Ann <ann@example.com>``.
    """

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


class EmailService:
    """Sends e-mail, from an address that SES has verified.

    The function needs the permission ``ses:SendEmail`` on the sender's identity; with
    attachments also ``ses:SendRawEmail``.

    Example:
        >>> resources.email.send_email(
        ...     Recipients(to=["ann@example.com"]), subject="Your order", html="<p>Thank you</p>"
        ... )

    Args:
        settings: They name the default sender.
        client: Makes the boto3 client.
    """

    def __init__(self, settings: Settings, client: Callable[[], Any]) -> None:
        self._settings = settings
        self._calls = Calls("SES", client)

    def send_email(
        self,
        recipients: Recipients,
        *,
        subject: str,
        html: str,
        text: str | None = None,
        sender: str | None = None,
        reply_to: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        attachments: Sequence[Attachment] = (),
        configuration_set: str | None = None,
    ) -> str:
        """Send an e-mail and return its id.

        Args:
            recipients: Who gets it.
            subject: Subject, one line.
            html: The e-mail.
            text: The same for readers without HTML. Default: none.
            sender: Address it comes from. Default: ``SES_FROM_EMAIL``.
            reply_to: Where answers go. Default: to the sender.
            tags: What SES's events carry. Default: none.
            attachments: Files that go with it.
            configuration_set: SES configuration set. Default: the sender's own.

        Raises:
            InvalidInputError: There is no recipient, a header has more than one line, or an
                address is not one address.
            ConfigurationError: There is neither a sender nor a default.
            DeliveryError: SES refused it.
            StoreUnavailableError: SES is busy or out of reach; nothing was sent.
            OutcomeUnknownError: No answer came: it may have been sent.
        """
        if not recipients:
            problem = FieldProblem("recipients", "must name at least one address")
            raise InvalidInputError([problem])
        sender = self._sender(sender)
        files = [(f"attachments[{index}]", attachment) for index, attachment in enumerate(attachments)]
        check_header_fields(
            lines={"subject": subject, **{f"{name}.filename": file.filename for name, file in files}},
            addresses=_addresses(recipients, sender, reply_to),
            types={f"{name}.content_type": file.content_type for name, file in files},
        )
        if attachments:
            mime = _mime_message(
                recipients,
                sender=sender,
                subject=subject,
                html=html,
                text=text,
                reply_to=reply_to,
                attachments=attachments,
            )
            content: dict[str, Any] = {"Raw": {"Data": mime}}
        else:
            body = {"Html": _utf8(html), **({} if text is None else {"Text": _utf8(text)})}
            content = {"Simple": {"Subject": _utf8(subject), "Body": body}}
        return self._send(
            recipients,
            content,
            sender=sender,
            reply_to=reply_to,
            tags=tags,
            configuration_set=configuration_set,
        )

    def send_inline_template_email(
        self,
        recipients: Recipients,
        *,
        subject: str,
        html: str,
        text: str | None = None,
        data: Mapping[str, Any],
        sender: str | None = None,
        reply_to: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        configuration_set: str | None = None,
    ) -> str | None:
        """Let SES fill ``{{name}}`` in subject, HTML and text, and send it.

        Args:
            recipients: Who gets it.
            subject: Template of the subject.
            html: Template of the e-mail.
            text: Template for readers without HTML. Default: none.
            data: What the names stand for. SES refuses to send where one is missing, and
                escapes nothing: escape what users have written.
            sender: Address it comes from. Default: ``SES_FROM_EMAIL``.
            reply_to: Where answers go. Default: to the sender.
            tags: What SES's events carry. Default: none.
            configuration_set: SES configuration set. Default: the sender's own.

        Returns:
            The id of the e-mail, or None when there was nobody to send it to.

        Raises:
            InvalidInputError: A header has more than one line, also by what its names stand for;
                an address is not one address; or ``data`` has no JSON form.
            ConfigurationError: There is neither a sender nor a default.
            DeliveryError: SES refused it.
            StoreUnavailableError: SES is busy or out of reach; nothing was sent.
            OutcomeUnknownError: No answer came: it may have been sent.
        """
        if not recipients:
            logger.warning("Email skipped: No recipients provided.")
            return None
        sender = self._sender(sender)
        check_header_fields(
            lines=filled_subject(subject, data), addresses=_addresses(recipients, sender, reply_to)
        )
        template = {"Subject": subject, "Html": html, **({} if text is None else {"Text": text})}
        values = message_text(data, field="data")
        content = {"Template": {"TemplateContent": template, "TemplateData": values}}
        return self._send(
            recipients,
            content,
            sender=sender,
            reply_to=reply_to,
            tags=tags,
            configuration_set=configuration_set,
        )

    def _sender(self, given: str | None) -> str:
        sender = given or self._settings.from_email
        if sender is None:
            msg = "an e-mail needs a sender; pass sender, or set SES_FROM_EMAIL"
            raise ConfigurationError(msg)
        return sender

    def _send(
        self,
        recipients: Recipients,
        content: Mapping[str, Any],
        *,
        sender: str,
        reply_to: Sequence[str],
        tags: Mapping[str, str] | None,
        configuration_set: str | None,
    ) -> str:
        request: dict[str, Any] = {
            "FromEmailAddress": sender,
            "Destination": recipients.destination,
            "Content": content,
            "ReplyToAddresses": list(reply_to),
            "EmailTags": [{"Name": name, "Value": value} for name, value in (tags or {}).items()],
            "ConfigurationSetName": configuration_set,
        }
        with self._calls.writing() as ses:
            try:
                answer = ses.send_email(**{name: value for name, value in request.items() if value})
            except ClientError as error:
                code = error_code(error)
                # Neither the text nor the addresses: they are people's.
                logger.error("e-mail not sent", error=code)
                if is_busy(error):
                    raise
                msg = f"SES refused the e-mail: {code}"
                raise DeliveryError(msg) from error
        message_id: str = answer["MessageId"]
        return message_id


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _addresses(recipients: Recipients, sender: str, reply_to: Sequence[str]) -> dict[str, Sequence[str]]:
    return {
        "recipients.to": recipients.to,
        "recipients.cc": recipients.cc,
        "recipients.bcc": recipients.bcc,
        "sender": [sender],
        "reply_to": reply_to,
    }


def _mime_message(
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
