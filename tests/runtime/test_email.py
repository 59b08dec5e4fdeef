"""E-mail as SES stores it."""

from __future__ import annotations

import json
import urllib.request
import uuid
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Attachment, ConfigurationError, DeliveryError, InvalidInputError, Recipients, Settings
from tests.support.service import TestResources

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

ANN = Recipients(to=["ann@example.com"])


@pytest.fixture
def sender(emulator: Emulator) -> str:
    address = f"s{uuid.uuid4().hex}@example.com"
    emulator.client("sesv2").create_email_identity(EmailIdentity=address)
    return address


@pytest.fixture
def resources(emulator: Emulator, sender: str) -> TestResources:
    return made(emulator, SES_FROM_EMAIL=sender)


def made(emulator: Emulator, **variables: str) -> TestResources:
    environment = {"SES_ENDPOINT": emulator.endpoint_url, "SES_REGION": emulator.region}
    return TestResources(emulator, Settings.from_environment(environment | variables))


def stored(emulator: Emulator, message_id: str | None) -> dict[str, Any]:
    url = f"{emulator.endpoint_url}/_ministack/ses/messages"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own emulator
        messages = json.load(answer)["messages"][emulator.account]
    (found,) = (message for message in messages if message["MessageId"] == message_id)
    result: dict[str, Any] = found
    return result


def request(resources: TestResources) -> dict[str, Any]:
    (call,) = resources.wire.calls
    return call.parameters


def test_an_html_email(emulator: Emulator, resources: TestResources, sender: str) -> None:
    sent = resources.email.send_email(
        Recipients(to=["ann@example.com"], cc=["bob@example.com"], bcc=["eve@example.com"]),
        subject="Grüße",
        html="<p>Thank you</p>",
        text="Thank you",
        reply_to=["shop@example.com"],
        tags={"kind": "receipt"},
    )
    found = stored(emulator, sent)
    assert (found["Source"], found["Subject"]) == (sender, "Grüße")
    assert (found["To"], found["CC"], found["BCC"]) == (
        ["ann@example.com"],
        ["bob@example.com"],
        ["eve@example.com"],
    )
    assert (found["BodyHtml"], found["BodyText"]) == ("<p>Thank you</p>", "Thank you")
    assert request(resources)["ReplyToAddresses"] == ["shop@example.com"]
    assert request(resources)["EmailTags"] == [{"Name": "kind", "Value": "receipt"}]


def test_an_email_with_attachments_is_mime(emulator: Emulator, resources: TestResources, sender: str) -> None:
    pdf = bytes(range(256)) * 20
    sent = resources.email.send_email(
        Recipients(to=["ann@example.com"], bcc=["eve@example.com"]),
        subject="Grüße",
        html="<p>Größe</p>",
        text="Größe",
        reply_to=["shop@example.com"],
        attachments=[Attachment("Rechnung März.pdf", pdf, "application/pdf"), Attachment("a.bin", b"x")],
    )
    assert stored(emulator, sent)["BCC"] == ["eve@example.com"]
    mime = message_from_bytes(request(resources)["Content"]["Raw"]["Data"], policy=policy.default)
    assert (mime["Subject"], mime["From"], mime["To"]) == ("Grüße", sender, "ann@example.com")
    assert mime["Reply-To"] == "shop@example.com"
    assert "eve@example.com" not in mime.as_string()
    html = mime.get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == "<p>Größe</p>"
    files = [(part.get_filename(), part.get_content_type()) for part in mime.iter_attachments()]
    assert files == [("Rechnung März.pdf", "application/pdf"), ("a.bin", "application/octet-stream")]
    assert next(mime.iter_attachments()).get_content() == pdf


def test_a_template_is_filled(emulator: Emulator, resources: TestResources) -> None:
    sent = resources.email.send_inline_template_email(
        ANN,
        subject="Order {{code}}",
        html="<p>{{name}}</p>",
        text="{{name}}",
        data={"code": "A1", "name": "Ann"},
        configuration_set=None,
    )
    found = stored(emulator, sent)
    assert (found["Subject"], found["BodyHtml"], found["BodyText"]) == ("Order A1", "<p>Ann</p>", "Ann")


def test_a_template_for_nobody_is_not_sent(
    resources: TestResources, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = resources.email.send_inline_template_email(Recipients(), subject="s", html="h", data={})
    assert sent is None
    assert resources.wire.calls == []
    assert "Email skipped: No recipients provided." in caplog.text + capsys.readouterr().out


def test_an_email_for_nobody_is_refused(resources: TestResources) -> None:
    with pytest.raises(InvalidInputError, match="recipients: must name at least one address"):
        resources.email.send_email(Recipients(), subject="s", html="h")


@pytest.mark.parametrize("attachments", [(), (Attachment("a", b"x"),)], ids=["simple", "mime"])
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("subject", {"subject": "s\r\nBcc: eve@example.com"}),
        ("reply_to", {"reply_to": ["a@example.com\nBcc: eve@example.com"]}),
        ("recipients", {"recipients": Recipients(to=["a@example.com\nBcc: eve@example.com"])}),
    ],
)
def test_a_header_cannot_bring_another_one(
    resources: TestResources, attachments: Any, field: str, values: dict[str, Any]
) -> None:
    email = {"recipients": ANN, "subject": "s", "html": "h", "attachments": attachments} | values
    with pytest.raises(InvalidInputError, match=f"{field}: must be one line"):
        resources.email.send_email(**email)
    assert resources.wire.calls == []


def test_a_sender_that_is_given_comes_before_the_default(emulator: Emulator, sender: str) -> None:
    resources = made(emulator, SES_FROM_EMAIL="nobody@example.org")
    sent = resources.email.send_email(ANN, subject="s", html="h", sender=sender)
    assert stored(emulator, sent)["Source"] == sender


def test_without_a_sender_nothing_is_sent(emulator: Emulator) -> None:
    resources = made(emulator)
    with pytest.raises(ConfigurationError, match="pass sender, or set SES_FROM_EMAIL"):
        resources.email.send_email(ANN, subject="s", html="h")
    with pytest.raises(ConfigurationError, match="SES_FROM_EMAIL"):
        resources.email.send_inline_template_email(ANN, subject="s", html="h", data={})
    assert resources.wire.calls == []


def test_what_ses_refuses_is_an_error_that_names_no_person(emulator: Emulator) -> None:
    resources = made(emulator, SES_FROM_EMAIL="nobody@example.org")
    with pytest.raises(DeliveryError) as caught:
        resources.email.send_email(ANN, subject="s", html="h")
    assert str(caught.value) == "SES refused the e-mail: MessageRejected"
