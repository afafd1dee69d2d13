"""Mails to people who work here: each once, whatever the mail server does."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import LazySettings

from brokers.models import Broker, User
from leads.models import Notice
from leads.notices import NO_SERVER, send_notices
from tests.building import DAY, NOW, a_user
from tests.peers.raw_smtp import HANG_UP, raw_smtp_peer
from tests.peers.smtp import SmtpPeer, smtp_peer
from tests.together import together

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(broker: Broker) -> User:
    return a_user(broker, "boss", email="boss@example.com")


def sends_by(settings: LazySettings, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port


@pytest.fixture
def server(settings: LazySettings) -> Iterator[SmtpPeer]:
    with smtp_peer() as peer:
        sends_by(settings, peer.port)
        yield peer


def write(boss: User, key: str = "a", after: timedelta = timedelta(0)) -> Notice:
    times = {"created_at": NOW, "due_at": NOW + after}
    return Notice.objects.create(broker=boss.broker, user=boss, key=key, subject="Ñandú", body="Hola", **times)


def standing(notice: Notice) -> tuple[bool, bool, int, str]:
    """Whether it was sent, whether it is due again, how often it was tried, and the kind of error."""
    fresh = Notice.objects.get(pk=notice.pk)
    return fresh.sent_at is not None, fresh.due_at is not None, fresh.attempts, fresh.error.partition(":")[0]


def test_mail_goes_out_once(boss: User, server: SmtpPeer) -> None:
    notice = write(boss)
    assert [send_notices(now=NOW), send_notices(now=NOW + DAY)] == [1, 0]
    [letter] = server.letters
    assert (letter["To"], letter["Subject"], letter.get_content().strip()) == ("boss@example.com", "Ñandú", "Hola")
    assert standing(notice) == (True, False, 1, "")


def test_mail_waits_until_it_is_due(boss: User, server: SmtpPeer) -> None:
    write(boss, after=DAY)
    assert [send_notices(now=NOW), send_notices(now=NOW + DAY)] == [0, 1]


@pytest.mark.parametrize(("answer", "is_due_again"), [("451 4.7.1 later", True), ("550 5.1.1 nobody", False)])
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_refused_mail_is_tried_again_if_that_may_help(
    boss: User, server: SmtpPeer, command: str, answer: str, is_due_again: bool
) -> None:
    server.answers[command] = answer
    notice = write(boss)
    assert send_notices(now=NOW) == 0
    assert standing(notice)[:3] == (False, is_due_again, 1)
    server.answers.clear()
    assert send_notices(now=NOW + DAY) == int(is_due_again)
    assert len(server.letters) == int(is_due_again)


def test_server_that_is_away_keeps_all_waiting_and_is_asked_once(boss: User, settings: LazySettings) -> None:
    """failures.md row 18."""
    with smtp_peer() as gone:
        sends_by(settings, gone.port)
    notices = [write(boss, key) for key in "abc"]
    assert send_notices(now=NOW) == 0
    assert [standing(notice)[:3] for notice in notices] == [(False, True, 1), (False, True, 0), (False, True, 0)]
    assert [Notice.objects.get(pk=notices[0].pk).due_at, send_notices(now=NOW)] == [NOW + timedelta(minutes=1), 0]


def test_attempts_end(boss: User, settings: LazySettings) -> None:
    """failures.md row 18."""
    with smtp_peer() as gone:
        sends_by(settings, gone.port)
    notice = write(boss)
    for days in range(8):
        send_notices(now=NOW + days * DAY)
    assert standing(notice)[:3] == (False, False, 5)


def test_mail_of_which_nobody_knows_whether_it_arrived_is_not_sent_again(boss: User, settings: LazySettings) -> None:
    """failures.md row 4: the server took the text and hung up before it said so."""
    with raw_smtp_peer(acts={"DOT": HANG_UP}) as peer:
        sends_by(settings, peer.port)
        notice = write(boss)
        assert [send_notices(now=NOW), send_notices(now=NOW + DAY)] == [0, 0]
        assert len(peer.texts) == 1
    assert standing(notice) == (False, False, 1, "outcome unknown")


def test_mail_that_was_begun_before_a_crash_is_not_sent_again(boss: User, server: SmtpPeer) -> None:
    """failures.md row 2: it stays to be seen, begun and unsent."""
    notice = write(boss)
    Notice.objects.update(begun_at=NOW, due_at=None, attempts=1)
    assert (send_notices(now=NOW + DAY), server.letters) == (0, [])
    assert standing(notice) == (False, False, 1, "")


def test_without_a_server_the_mail_says_so(boss: User, settings: LazySettings) -> None:
    """failures.md row 31."""
    settings.EMAIL_BACKEND = NO_SERVER
    notice = write(boss)
    assert send_notices(now=NOW) == 0
    assert standing(notice) == (False, False, 1, "EMAIL_URL is not set")


@pytest.mark.django_db(transaction=True)
def test_several_senders_send_each_mail_once(boss: User, server: SmtpPeer) -> None:
    """failures.md row 1."""
    for number in range(12):
        write(boss, f"key {number}")
    sent = together(*[lambda: send_notices(now=NOW)] * 3)
    assert (sum(sent), len(server.letters)) == (12, 12)


@pytest.mark.parametrize("changes", [{"email": ""}, {"is_active": False}])
def test_mail_to_somebody_who_is_gone_goes_to_nobody_and_says_so(
    boss: User, server: SmtpPeer, changes: dict[str, object]
) -> None:
    notice = write(boss)
    User.objects.filter(pk=boss.pk).update(**changes)
    assert (send_notices(now=NOW), server.letters) == (0, [])
    assert standing(notice) == (False, False, 1, "nobody to send it to")


def test_mail_that_cannot_be_written_says_so_and_harms_no_other(boss: User, server: SmtpPeer) -> None:
    """failures.md row 5."""
    broken, sound = write(boss, "a"), write(boss, "b", timedelta(seconds=1))
    Notice.objects.filter(pk=broken.pk).update(subject="two\nlines")
    assert send_notices(now=NOW + DAY) == 1
    assert (standing(broken), standing(sound)) == ((False, False, 1, "BadHeaderError"), (True, False, 1, ""))
