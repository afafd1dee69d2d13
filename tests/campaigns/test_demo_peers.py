"""`make demo PROVIDERS=peers` in small: the demo's campaigns over the real adapters and the real webhooks."""

from typing import Any

import pytest

from messaging.models import Message
from tests.building import NOW
from tests.peers.demo import Peers, all_peers, is_clean, lines_of, play


@pytest.mark.django_db(transaction=True)
def test_campaigns_of_the_demo_go_out_over_the_real_adapters() -> None:
    """failures.md rows 1, 4 and 24: each message once, unknown ones never again, reports and answers heard once."""
    with all_peers() as peers:
        data = play(peers, now=NOW, leads=40, days=4)
        assert (data["ledger"]["violations"], is_clean(data, peers)) == ({}, True)
        assert [channel for channel, peer in data["peers"].items() if not peer["accepted"]] == []
        assert len(lines_of(data, peers)) == 1 + 2 * 3 + 1 + 4
        telegram, whatsapp = peers.telegram, peers.twilio
        assert len({(one.chat, one.text) for one in telegram.accepted}) == len(telegram.accepted)
        assert len({form["StatusCallback"] for form in whatsapp.messages.values()}) == len(whatsapp.messages)
        assert whatsapp.said["accept"] < whatsapp.said.total()
    assert Message.objects.filter(channel="whatsapp", status="delivered", cost__gt=0).exists()
    assert Message.objects.filter(direction="in").count() == sum(peer["answers"] for peer in data["peers"].values())


def a_result(**telegram: int) -> dict[str, Any]:
    known = {"accepted": 5, "ours": 5, "unknown": 0}
    return {"ledger": {"clean": True}, "peers": {"telegram": known | telegram}}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("heard", "posted", "clean"),
    [
        ({}, {200: 3}, True),
        ({"accepted": 6}, {200: 3}, False),
        ({"ours": 6}, {200: 3}, False),
        ({"ours": 6, "unknown": 1}, {200: 3}, True),
        ({}, {200: 3, 403: 1}, False),
    ],
)
def test_demo_that_counts_otherwise_than_its_peers_is_not_clean(
    heard: dict[str, int], posted: dict[int, int], clean: bool
) -> None:
    peers = Peers(None, None, None)  # type: ignore[arg-type]
    peers.posted.update(posted)
    assert is_clean(a_result(**heard), peers) == clean
