"""E-mail through SES: HTML with attachments, and inline templates."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtime.clients.email_parts import check_lines, mime_message
from runtime.errors import ConfigurationError, DeliveryError, FieldProblem, InvalidInputError
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.clients.email_parts import Attachment, Recipients
    from runtime.clients.resources import Resources

__all__ = ["EmailService"]


class EmailService:
    """Sends e-mail, from an address that SES has verified.

    The function needs the permission ``ses:SendEmail`` on the sender's identity; with
    attachments also ``ses:SendRawEmail``.

    Example:
        >>> resources.email.send_email(
        ...     Recipients(to=["ann@example.com"]), subject="Your order", html="<p>Thank you</p>"
        ... )

    Args:
        resources: The default sender, and the client.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 clients are made at run time
        return self._resources.client("sesv2")

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
        """Send an e-mail; its id.

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
            InvalidInputError: There is no recipient, or a header has more than one line.
            ConfigurationError: There is neither a sender nor a default.
            DeliveryError: SES refused it.
        """
        if not recipients:
            problem = FieldProblem("recipients", "must name at least one address")
            raise InvalidInputError([problem])
        check_lines(subject=[subject], reply_to=reply_to, recipients=(*recipients.to, *recipients.cc))
        sender = self._sender(sender)
        if attachments:
            mime = mime_message(
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
            Its id, or None when there was nobody to send it to.

        Raises:
            ConfigurationError: There is neither a sender nor a default.
            DeliveryError: SES refused it.
        """
        if not recipients:
            logger.warning("Email skipped: No recipients provided.")
            return None
        template = {"Subject": subject, "Html": html, **({} if text is None else {"Text": text})}
        content = {"Template": {"TemplateContent": template, "TemplateData": json.dumps(data)}}
        return self._send(
            recipients,
            content,
            sender=self._sender(sender),
            reply_to=reply_to,
            tags=tags,
            configuration_set=configuration_set,
        )

    def _sender(self, given: str | None) -> str:
        sender = given or self._resources.settings.from_email
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
        from botocore.exceptions import ClientError  # noqa: PLC0415

        request: dict[str, Any] = {
            "FromEmailAddress": sender,
            "Destination": recipients.destination,
            "Content": content,
            "ReplyToAddresses": list(reply_to),
            "EmailTags": [{"Name": name, "Value": value} for name, value in (tags or {}).items()],
            "ConfigurationSetName": configuration_set,
        }
        try:
            answer = self._client.send_email(**{name: value for name, value in request.items() if value})
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # Neither the text nor the addresses: they are people's.
            logger.error("e-mail not sent", error=code)
            msg = f"SES refused the e-mail: {code}"
            raise DeliveryError(msg) from error
        message_id: str = answer["MessageId"]
        return message_id


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
