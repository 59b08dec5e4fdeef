"""E-mail as SES stores it."""

from __future__ import annotations

import json
import re
import urllib.request
import uuid
from decimal import Decimal
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


#: What ends a line for `str.splitlines`, and what else has no place in one.
SEPARATORS = [*"\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\0", "\t", "\x7f", "\ud800"]


def fields(text: str) -> dict[str, dict[str, Any]]:
    """What each field is given, by the name that it has in an error."""
    return {
        "subject": {"subject": text},
        "reply_to[0]": {"reply_to": [text]},
        "recipients.to[1]": {"recipients": Recipients(to=["ann@example.com", text])},
        "recipients.cc[0]": {"recipients": Recipients(to=["ann@example.com"], cc=[text])},
        "recipients.bcc[0]": {"recipients": Recipients(bcc=[text])},
        "sender": {"sender": text},
    }


@pytest.mark.parametrize("kind", ["simple", "mime", "template"])
@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_a_header_cannot_bring_another_one(resources: TestResources, kind: str, separator: str) -> None:
    for field, values in fields(f"a@example.com{separator}Bcc: eve@example.com").items():
        email: dict[str, Any] = {"recipients": ANN, "subject": "s", "html": "h"} | values
        send: Any = resources.email.send_email
        if kind == "mime":
            email["attachments"] = [Attachment("a", b"x")]
        elif kind == "template":
            email["data"], send = {}, resources.email.send_inline_template_email
        with pytest.raises(InvalidInputError) as caught:
            send(**email)
        (problem,) = caught.value.problems
        assert problem.field in {field, field.removesuffix("[0]"), f"{field}[0]"}
        assert problem.message.startswith("must be one line")
    assert resources.wire.calls == []


ENCODED = [
    "=?utf-8?q?x=0D=0ABcc:_eve=40example.com?=",
    "=?UTF-8?B?eA0KQmNjOiBldmVAZXhhbXBsZS5jb20=?=",
    "so =?iso-8859-1?q?x=0ABcc:?= it goes",
    "=?utf-8?q?=E2=80=A8?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3F=0A=3F=3D?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3D0AB=3F=3D?=",
]


@pytest.mark.parametrize("text", ENCODED)
def test_nor_can_an_encoded_word_that_readers_decode(resources: TestResources, text: str) -> None:
    """Python 3.11.7 writes what it stands for into the header, lines and all."""
    email: Any = {"recipients": ANN, "subject": "s", "html": "h"}
    name = f"{text} <ann@example.com>"
    for field, wrong in {
        "subject": {"subject": text},
        "attachments[0].filename": {"attachments": [Attachment(text, b"x")]},
        "recipients.to[0]": {"recipients": Recipients(to=[name])},
        "sender": {"sender": name},
        "reply_to[0]": {"reply_to": [name]},
    }.items():
        for more in ({}, {"attachments": [Attachment("a", b"x")]}):
            with pytest.raises(InvalidInputError) as caught:
                resources.email.send_email(**email | more | wrong)
            assert caught.value.problems[0].field in {field, f"{field}[0]"}
    assert resources.wire.calls == []


def test_encoded_words_of_one_line_are_taken(resources: TestResources) -> None:
    text = "=?utf-8?q?Gr=C3=B6=C3=9Fe?="
    resources.email.send_email(ANN, subject=text, html="h", attachments=[Attachment(text, b"x")])
    assert len(resources.wire.calls) == 1


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_nor_can_an_attachment_or_what_a_name_stands_for(resources: TestResources, separator: str) -> None:
    text = f"x/y{separator}Bcc: eve@example.com"
    for field, attachment in {
        "attachments[0].filename": Attachment(text, b"x"),
        "attachments[0].content_type": Attachment("a", b"x", text),
    }.items():
        with pytest.raises(InvalidInputError, match=re.escape(f"{field}: must be ")):
            resources.email.send_email(ANN, subject="s", html="h", attachments=[attachment])
    with pytest.raises(InvalidInputError, match=r"data\.name: .* data\.user\.name: must be one line"):
        resources.email.send_inline_template_email(
            ANN,
            subject="Hello {{ name }} {{{user.name}}}",
            html="{{other}}",
            data={"name": text, "other": text, "user": {"name": text}},
        )
    assert resources.wire.calls == []


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com, b@example.com",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        "<a@example.com> <b@example.com>",
        "Friends: a@example.com, b@example.com;",
        "Friends: a@example.com;",
        "Doe, Ann <a@example.com>",
        "a@example.com,",
        "a@example.com (b@example.com)",
        "a@b@example.com",
        "Ann",
        "a@",
        "@example.com",
        "",
        "<>",
    ],
)
def test_one_address_is_one_recipient(resources: TestResources, address: str) -> None:
    for field, values in fields(address).items():
        if field == "subject" or (field == "sender" and not address):
            continue
        email: dict[str, Any] = {"recipients": ANN, "subject": "s", "html": "h"} | values
        with pytest.raises(InvalidInputError, match=re.escape(field.partition("[")[0])) as caught:
            resources.email.send_email(**email)
        assert [problem.message[:19] for problem in caught.value.problems] == ["must be one address"]
    assert resources.wire.calls == []


def test_a_text_is_no_list_of_addresses(resources: TestResources) -> None:
    with pytest.raises(InvalidInputError, match=r"recipients.to: must be a list of addresses, got a text"):
        resources.email.send_email(Recipients(to="ann@example.com"), subject="s", html="h")


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com",
        "Ann <ann@example.com>",
        '"Doe, Ann; (x)" <ann@example.com>',
        "Größe <a@example.com>",
    ],
)
@pytest.mark.parametrize("attachments", [(), (Attachment("a", b"x", "text/plain; charset=utf-8"),)], ids=len)
def test_an_address_may_have_a_name(resources: TestResources, address: str, attachments: Any) -> None:
    resources.email.send_email(Recipients(to=[address]), subject="s", html="h", attachments=attachments)
    assert request(resources)["Destination"] == {"ToAddresses": [address]}


def test_a_template_is_filled_with_what_answers_hold(emulator: Emulator, resources: TestResources) -> None:
    sent = resources.email.send_inline_template_email(
        ANN, subject="s", html="<p>{{total}}</p>", data={"total": Decimal("12.50")}
    )
    assert stored(emulator, sent)["BodyHtml"] in {"<p>12.50</p>", "<p>12.5</p>"}


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
