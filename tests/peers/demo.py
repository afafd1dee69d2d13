"""The demo's campaigns over the real adapters, against peers on the loopback: `make demo PROVIDERS=peers`.

In a database of its own, which is dropped at the end. Real HTTP and SMTP go out to the peers, and what leads answer and
what becomes of messages comes back through the real webhooks, signed, at a web server on the loopback too; only the
time is a virtual one. Calls are left out: the demo's phone is a simulated one.
"""

import logging
import os
import secrets
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from socketserver import ThreadingMixIn
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import time_machine
from tqdm import tqdm

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import override_settings

from bench.database import fresh_database
from campaigns.costs import spent, told_spent
from campaigns.demo.play import DAYS, play_fortnight, prepare_leads
from campaigns.demo.report import report, report_text
from campaigns.demo.seed import Aurora, found_aurora, start_campaigns
from leads.importer.writing import import_leads
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.providers import adapter_class, adapter_for
from messaging.webhooks import webhook_url
from templates_app.models import MessageTemplate
from tests.peers.smtp import SmtpPeer, smtp_peer
from tests.peers.telegram import BOT_NAME, TOKEN, TelegramPeer, telegram_peer
from tests.peers.twilio import ACCOUNT_SID, AUTH_TOKEN, FORM, Callback, TwilioPeer, twilio_peer

LEADS, SENDER = 200, "+14155238886"
LOGIN = ("aurora", "made-up")
# How the peers treat every tenth lead, in turn; all the others' messages are accepted.
TELEGRAM_TROUBLE = cycle((["429:5", "accept"], ["403"], ["400"], ["500"]))
TWILIO_TROUBLE = cycle((["20429:3", "accept"], ["21610"], ["63003"], ["63018", "accept"], ["accept_then_500"]))
SMTP_TROUBLE = cycle(("550 5.1.1 no such user", "451 4.7.1 later"))
PRICES = {"currency": "USD", "prices": {"": {"own_words": "0.005", "marketing": "0.08", "utility": "0.02"}}}
# What the providers took, whatever became of it later.
NOT_TAKEN = ("failed", "cancelled")


@dataclass
class Peers:
    telegram: TelegramPeer
    twilio: TwilioPeer
    smtp: SmtpPeer
    # HTTP statuses of what was posted to our webhooks.
    posted: Counter[int] = field(default_factory=Counter)


@contextmanager
def all_peers() -> Iterator[Peers]:
    """The three of them, and the product at a web server of its own, which is where they report."""
    with ExitStack() as stack:
        peers = Peers(stack.enter_context(telegram_peer()), stack.enter_context(twilio_peer()), None)  # type: ignore[arg-type]
        peers.smtp = stack.enter_context(smtp_peer())
        peers.smtp.login = LOGIN
        urls = {"TELEGRAM_API_URL": peers.telegram.url, "TWILIO_API_URL": peers.twilio.url}
        stack.enter_context(override_settings(**urls, PUBLIC_URL=stack.enter_context(product())))
        yield peers


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def product() -> Iterator[str]:
    """Its address, until the block ends."""
    connection.settings_dict["CONN_MAX_AGE"] = 0  # every request has a thread, and leaves no connection behind
    with make_server("127.0.0.1", 0, get_wsgi_application(), _Server, _Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


def open_accounts(aurora: Aurora, peers: Peers, now: datetime) -> None:
    """With made-up credentials; the defaults of their channels, so that campaigns are real ones."""
    credentials: dict[tuple[str, str], dict[str, str]] = {
        ("telegram", "telegram"): {"token": TOKEN},
        ("whatsapp", "twilio_whatsapp"): {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN},
        ("email", "smtp"): {
            "host": "127.0.0.1",
            "port": str(peers.smtp.port),
            "username": LOGIN[0],
            "password": LOGIN[1],
        },
    }
    senders = {"telegram": f"@{BOT_NAME}", "whatsapp": SENDER, "email": "hola@aurora.example"}
    ChannelAccount.objects.filter(broker=aurora.broker, channel__in=senders).update(is_default=False)
    for (channel, provider), given in credentials.items():
        ChannelAccount.objects.create(
            broker=aurora.broker,
            channel=channel,
            provider=provider,
            name="Inmobiliaria Aurora",
            sender=senders[channel],
            credentials=given,
            rate=adapter_class(provider).default_rate,
            prices=PRICES if channel == "whatsapp" else {},
            is_default=True,
            created_at=now,
        )
    bot = ChannelAccount.objects.get(provider="telegram")
    adapter_for(bot).connect(webhook_url(bot))
    approved = {row.pk: f"HX{row.pk:032x}" for row in MessageTemplate.objects.filter(channel="whatsapp")}
    for pk, sid in approved.items():
        MessageTemplate.objects.filter(pk=pk).update(provider_template_id=sid)


def make_trouble(aurora: Aurora, peers: Peers) -> None:
    """Every tenth lead is one with whom something goes wrong."""
    for lead in list(Lead.objects.filter(broker=aurora.broker).order_by("id"))[::10]:
        if lead.telegram_chat_id:
            peers.telegram.script[lead.telegram_chat_id] = list(next(TELEGRAM_TROUBLE))
        if lead.phone:
            peers.twilio.script[lead.phone] = list(next(TWILIO_TROUBLE))
        if lead.email:
            peers.smtp.script[lead.email] = next(SMTP_TROUBLE)


@dataclass
class Talk:
    """What comes back to the product: what leads answer, and what Twilio tells of its messages, some of it twice."""

    peers: Peers
    clock: VirtualClock
    told: set[str] = field(default_factory=set)
    # It reads no certificates of the world, which takes longer than a call.
    client: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, timeout=30))

    def answer(self, account: ChannelAccount, message: Message, text: str, now: datetime) -> None:
        if account.channel == "telegram":
            self._from_telegram(message, text)
        elif account.channel == "whatsapp":
            sid = f"SM{message.pk:032x}"
            said = {"From": f"whatsapp:{message.address}", "To": f"whatsapp:{SENDER}", "Body": text, "MessageSid": sid}
            self._post_call(self.peers.twilio.inbound(webhook_url(account), **said))

    def tell(self) -> None:
        """Once an hour: half of what was accepted meanwhile has been delivered."""
        for sid in [sid for sid in list(self.peers.twilio.messages) if sid not in self.told]:
            self.told.add(sid)
            if int(sid[-1], 16) % 2:
                for status in ("delivered", "sent", "delivered"):
                    self._post_call(self.peers.twilio.status(sid, status))

    def close(self) -> None:
        self.client.close()

    def _from_telegram(self, message: Message, text: str) -> None:
        hook = self.peers.telegram.webhooks[-1]
        person = {"id": int(message.address), "is_bot": False, "first_name": "Ana"}
        chat = {"id": int(message.address), "type": "private"}
        said = {"message_id": message.pk, "from": person, "chat": chat, "text": text}
        headers = {"X-Telegram-Bot-Api-Secret-Token": hook["secret_token"]}
        self._post(hook["url"], json={"update_id": message.pk, "message": said}, headers=headers)

    def _post_call(self, call: Callback) -> None:
        self._post(call.url, content=call.body, headers={"Content-Type": FORM, **call.headers})

    def _post(self, url: str, **how: Any) -> None:
        """At the moment at which the campaigns are, also for who listens."""
        with time_machine.travel(self.clock.now(), tick=True):
            self.peers.posted[self.client.post(url, **how).status_code] += 1


def play(peers: Peers, *, now: datetime, leads: int = LEADS, days: int = DAYS) -> dict[str, Any]:
    """The campaigns in the days until `now`; what became of them, as data."""
    start = now - timedelta(days=days)
    clock = VirtualClock(start)
    aurora = found_aurora(start, password=secrets.token_urlsafe(9))
    open_accounts(aurora, peers, start)
    campaigns = start_campaigns(aurora, start, has_calls=False)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "leads.csv"
        lines = (settings.BASE_DIR / "examples" / "leads.csv").read_text().splitlines(keepends=True)
        file.write_text("".join(lines[: leads + 1]))
        import_leads(path=file, broker=aurora.broker, by=aurora.admin, clock=clock.now)
    prepare_leads(aurora, clock.now())
    make_trouble(aurora, peers)
    with closing(Talk(peers, clock)) as talk, tqdm(total=days * 24, desc="hour by hour", disable=None) as bar:

        def tick() -> None:
            talk.tell()
            bar.update()

        play_fortnight(aurora, campaigns[-1], clock, tick, answer=talk.answer, days=days)
    money = {campaign.name: told_spent(spent(campaign)) for campaign in campaigns}
    return report(aurora.broker, now) | {"spent": money, "peers": heard(peers)}


def heard(peers: Peers) -> dict[str, dict[str, Any]]:
    """What each peer took and refused, and what is known here of it."""
    told = {
        "telegram": (len(peers.telegram.accepted), dict(peers.telegram.said)),
        "whatsapp": (len(peers.twilio.messages), dict(peers.twilio.said)),
        "email": (len(peers.smtp.letters), dict(Counter(words.split(" ", 1)[0] for words in peers.smtp.said))),
    }
    ours = Message.objects.filter(direction="out", sandbox=False).exclude(status__in=NOT_TAKEN)
    return {
        channel: {
            "accepted": accepted,
            "words": words,
            "ours": ours.filter(channel=channel).count(),
            "unknown": ours.filter(channel=channel, status="unknown").count(),
            "answers": Message.objects.filter(channel=channel, direction="in").count(),
        }
        for channel, (accepted, words) in told.items()
    }


def is_clean(data: dict[str, Any], peers: Peers) -> bool:
    """The ledger holds, peers and product have counted alike, and every call of a webhook was taken. Of an unknown
    outcome only the peer knows whether it took that message."""
    counted = all(peer["ours"] - peer["unknown"] <= peer["accepted"] <= peer["ours"] for peer in data["peers"].values())
    unapplied = WebhookEvent.objects.filter(processed_at=None).exists()
    return bool(data["ledger"]["clean"]) and counted and set(peers.posted) <= {200} and not unapplied


def lines_of(data: dict[str, Any], peers: Peers) -> list[str]:
    lines = [""]
    for channel, peer in data["peers"].items():
        refused = ", ".join(f"{count} × {word}" for word, count in peer["words"].items() if word != "accept")
        lines += [
            f"{channel}: the peer accepted {peer['accepted']}, which is {peer['ours']} here "
            f"({peer['unknown']} of them with an unknown outcome); {peer['answers']} answers came back",
            f"  what it said besides accepting: {refused or 'nothing'}",
        ]
    lines.append(f"Webhooks: {sum(peers.posted.values())} calls, answered {dict(peers.posted)}")
    return lines + [f"{name}: {'; '.join(told)}" for name, told in data["spent"].items()]


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=LEADS, help=f"how many of the demo's leads ({LEADS})")
    parser.add_argument("--days", type=int, default=DAYS, help=f"how many days are played ({DAYS})")
    given = parser.parse_args()
    began = time.monotonic()
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, about itself
    with fresh_database("demo_peers_embudo"), all_peers() as peers:
        where = f"Telegram at {peers.telegram.url}, Twilio at {peers.twilio.url}, mail at 127.0.0.1:{peers.smtp.port}"
        print(f"Playing {given.days} days of the demo's campaigns with {given.leads} leads. {where}", flush=True)
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        data = play(peers, now=now, leads=given.leads, days=given.days)
        clean = is_clean(data, peers)
        print("\n".join([report_text(data), *lines_of(data, peers)]))
    print(f"{'Clean' if clean else 'NOT clean'}, after {time.monotonic() - began:.0f} seconds.")
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
