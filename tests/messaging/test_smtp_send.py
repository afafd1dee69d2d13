"""What arrives at a real SMTP server."""

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messaging.base import Envelope, OutcomeKind
from messaging.models import ChannelAccount
from messaging.smtp import Smtp
from tests.peers.smtp import smtp_peer

URL = "https://crm.example.com/u/" + "MTozNDU2Nzg6ZW1haWw6YW5hQGV4YW1wbGUuY29t" * 4 + ".c2lnbmF0dXJl/"

Account = Callable[..., ChannelAccount]
MakeEnvelope = Callable[..., Envelope]


def test_send_accepted_mail_reports_its_message_id(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        outcome = Smtp(mail_account(peer.port)).send(envelope())
    assert outcome.kind == OutcomeKind.ACCEPTED
    assert outcome.provider_id == "<embudo-12.step-3-1-1@aurora.example>"
    assert not outcome.delivered
    assert peer.letters[0]["Message-ID"] == outcome.provider_id


def test_send_writes_both_parts_and_headers(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        Smtp(mail_account(peer.port)).send(envelope(subject="Su visita", body="Hola\n\nhttps://a.example/x."))
    letter = peer.letters[0]
    assert letter["From"] == "Inmobiliaria Aurora <hola@aurora.example>"
    assert (letter["To"], letter["Subject"]) == ("ana@example.com", "Su visita")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"].datetime is not None
    assert letter.get_body(("plain",)).get_content().strip() == "Hola\n\nhttps://a.example/x."
    html = letter.get_body(("html",)).get_content()
    assert '<html lang="es">' in html
    assert '<a href="https://a.example/x">https://a.example/x</a>.' in html


def test_send_campaign_mail_carries_one_click_unsubscribe(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        Smtp(mail_account(peer.port)).send(envelope(unsubscribe_url=URL))
    letter = peer.letters[0]
    assert letter["List-Unsubscribe"] == f"<{URL}>"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"<{URL}>".encode() in peer.raw[0], "no folding, no encoding inside the address"
    assert letter.get_body(("plain",)).get_content().count(URL) == 1
    assert letter.get_body(("html",)).get_content().count(URL) == 1


def test_send_mail_with_the_link_in_its_text_gets_no_second_one(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        Smtp(mail_account(peer.port)).send(envelope(body=f"Hola\n\nBaja: {URL}", unsubscribe_url=URL))
    assert peer.letters[0].get_body(("plain",)).get_content().count(URL) == 1


def test_send_campaign_mail_offers_both_links_below_its_text(mail_account: Account, envelope: MakeEnvelope) -> None:
    choose = URL.replace("/u/", "/preferences/")
    with smtp_peer() as peer:
        Smtp(mail_account(peer.port)).send(envelope(unsubscribe_url=URL, preferences_url=choose))
        Smtp(mail_account(peer.port)).send(
            envelope(body=f"Hola\n\nBaja: {URL}", unsubscribe_url=URL, preferences_url=choose)
        )
    for letter in peer.letters:
        for kind in ("plain", "html"):
            text = letter.get_body((kind,)).get_content()
            assert (URL in text, text.count(choose)) == (True, 1)


def test_send_transactional_mail_has_no_unsubscribe_header(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        Smtp(mail_account(peer.port)).send(envelope(purpose="transactional"))
    assert "List-Unsubscribe" not in peer.letters[0]


def test_send_keeps_signs_of_every_language(mail_account: Account, envelope: MakeEnvelope) -> None:
    subject = "Señora Ñandú: su próxima visita — el departamento con vista al mar en Viña 🙂 y el otro en Ñuñoa"
    account = mail_account(0)
    account.sender = "Áurora & Cía <hola@aurora.example>"
    with smtp_peer() as peer:
        account.credentials["port"] = peer.port
        Smtp(account).send(envelope(subject=subject, body="¿Cómo está? 你好 🙂", language="en"))
    letter = peer.letters[0]
    assert letter["Subject"] == subject
    assert letter["From"].addresses[0].display_name == "Áurora & Cía"
    assert letter.get_body(("plain",)).get_content().strip() == "¿Cómo está? 你好 🙂"
    assert '<html lang="en">' in letter.get_body(("html",)).get_content()
    assert all(byte < 128 for byte in peer.raw[0])
    assert all(len(line) < 998 for line in peer.raw[0].split(b"\r\n"))


def test_send_lines_with_dots_arrive_whole(mail_account: Account, envelope: MakeEnvelope) -> None:
    body = ".\n..\n.hidden\nend."
    with smtp_peer() as peer:
        outcome = Smtp(mail_account(peer.port)).send(envelope(body=body))
    assert outcome.kind == OutcomeKind.ACCEPTED
    assert peer.letters[0].get_body(("plain",)).get_content().strip() == body


def test_send_to_international_domain_uses_its_ascii_form(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        outcome = Smtp(mail_account(peer.port)).send(envelope(address="ana@español.example"))
    assert outcome.kind == OutcomeKind.ACCEPTED
    assert peer.recipients == ["ana@xn--espaol-zwa.example"]


def test_send_escapes_html_in_the_text(mail_account: Account, envelope: MakeEnvelope) -> None:
    body = 'Hola <script>alert(1)</script> & "x" http://a.example/?q=<b>'
    with smtp_peer() as peer:
        Smtp(mail_account(peer.port)).send(envelope(body=body))
    html = peer.letters[0].get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot;" in html
    assert '<a href="http://a.example/?q=">http://a.example/?q=</a>&lt;b&gt;' in html


def test_send_header_injection_stays_in_the_subject(mail_account: Account, envelope: MakeEnvelope) -> None:
    account = mail_account(0)
    account.name = "Aurora\r\nBcc: evil@example.com"
    subject = "Hola\r\nBcc: evil@example.com\r\n\r\nTexto"
    with smtp_peer() as peer:
        account.credentials["port"] = peer.port
        Smtp(account).send(envelope(subject=subject))
    letter = peer.letters[0]
    assert "Bcc" not in letter
    assert letter["Subject"] == "Hola Bcc: evil@example.com Texto"
    assert peer.recipients == ["ana@example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ana",
        "ana@",
        "@example.com",
        "ana@example.com\r\nRCPT TO:<evil@example.com>",
        "ana@example.com>\r\nDATA",
        "a b@example.com",
        "ñandú@example.com",
        "ana@example.com, evil@example.com",
        f"ana@{'x' * 70}.example",
    ],
)
def test_send_to_what_is_no_address_is_refused_for_good(
    mail_account: Account, envelope: MakeEnvelope, address: str
) -> None:
    with smtp_peer() as peer:
        outcome = Smtp(mail_account(peer.port)).send(envelope(address=address))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "invalid_address")
    assert peer.connections == 0


def test_send_any_text_arrives_as_it_was(mail_account: Account, envelope: MakeEnvelope) -> None:
    texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=200)

    with smtp_peer() as peer:
        adapter = Smtp(mail_account(peer.port))

        @settings(max_examples=60, deadline=None)
        @example(subject="=?utf-8?q?=0D=0ABcc=3A_x?=", lines=[])
        @example(subject="x" * 900, lines=["y" * 2000])
        @given(subject=texts, lines=st.lists(texts, max_size=5))
        def check(subject: str, lines: list[str]) -> None:
            body = "\n".join(lines)
            assert adapter.send(envelope(subject=subject, body=body)).kind == OutcomeKind.ACCEPTED
            letter = peer.letters[-1]
            assert letter["Subject"] == (" ".join(subject.split()) or "Inmobiliaria Aurora")
            received = letter.get_body(("plain",)).get_content()
            assert received.rstrip("\n") == body.rstrip("\n")

        check()
