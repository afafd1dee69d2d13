"""The door at which providers report, whoever the provider is: verify, store, apply, answer."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from brokers.admin_verbs import Verb
from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.models import ContactPermission, Lead
from messaging.base import LONGEST_REPORT, Event
from messaging.inbound import replay
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.sandbox import Sandbox
from messaging.webhooks import webhook_url
from tests.brokers.admin_pages import admin_url, said, signed_in

Sandboxes = Callable[[str], ChannelAccount]
Post = Callable[..., int]
KEY = "let me in"


class Talkative(Sandbox):
    """A provider that tells several things at once. Its `bug` breaks us, until we are mended."""

    is_mended = False

    def verify(self, request: Any) -> bool:
        return request.headers.get("X-Key") == KEY

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        return [self._event(told) for told in payload["events"]]

    def _event(self, told: Mapping[str, Any]) -> Event:
        has_bug = told.get("bug") and not Talkative.is_mended
        known = {"kind": "inbound", "address": "4711", "text": "Hola", "raw": {"headers": 5} if has_bug else {}}
        return Event(**known | {key: value for key, value in told.items() if key != "bug"})


@pytest.fixture
def account(sandbox: Sandboxes, settings: LazySettings) -> ChannelAccount:
    settings.PROVIDERS = {**settings.PROVIDERS, "sandbox": f"{__name__}.Talkative"}
    Talkative.is_mended = False
    return sandbox("telegram")


@pytest.fixture
def post(account: ChannelAccount, client: Client) -> Post:
    def tell(*events: Mapping[str, Any], body: bytes | None = None, key: str = KEY, **more: Any) -> int:
        data = json.dumps({"events": events}).encode() if body is None else body
        url = reverse("messaging:webhook", args=["sandbox", account.webhook_token])
        return client.post(url, data, content_type="application/json", headers={"X-Key": key}, **more).status_code

    return tell


def heard() -> dict[str, str]:
    return dict(Message.objects.filter(direction="in").values_list("dedupe_key", "body"))


def test_address_of_the_door_is_public_and_the_accounts_own(account: ChannelAccount, settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    assert webhook_url(account) == f"https://crm.example.com/webhooks/sandbox/{account.webhook_token}/"


def test_failing_event_does_not_lose_its_siblings(post: Post, lead: Lead, account: ChannelAccount) -> None:
    """failures.md row 5: our own bug is a 500, and the provider tells it all again; each is heard once."""
    events = [{"event_id": "1"}, {"event_id": "2", "bug": True}, {"event_id": "3"}]
    assert [post(*events), post(*events)] == [500, 500]
    assert heard() == {f"in:{account.pk}:1": "Hola", f"in:{account.pk}:3": "Hola"}
    assert WebhookEvent.objects.get(event_id="2").error.startswith("AttributeError: ")
    lead.refresh_from_db()
    assert lead.inbound_count == 2


def test_failed_event_is_heard_when_it_comes_again(post: Post, lead: Lead, account: ChannelAccount) -> None:
    post({"event_id": "1", "bug": True})
    Talkative.is_mended = True
    assert post({"event_id": "1", "bug": True}) == 200
    assert heard() == {f"in:{account.pk}:1": "Hola"}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"kind": "status", "status": "delivered", "provider_id": "nobody's"}, "message_unknown"),
        ({"kind": "status", "status": "delivered", "message_id": 987_654_321}, "message_unknown"),
        ({"kind": "status", "status": "dreamt"}, "status_unknown"),
        ({"kind": "inbound", "address": "999"}, "lead_unknown"),
        ({"kind": "whatever"}, "status_unknown"),
    ],
)
def test_what_concerns_nobody_here_is_kept_and_accepted(
    post: Post, lead: Lead, event: Mapping[str, Any], reason: str
) -> None:
    assert post({"event_id": "1"} | event) == 200
    stored = WebhookEvent.objects.get()
    assert (stored.processed_at, stored.error.partition(":")[0]) == (None, reason)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"\xff\xfe\x00", b"{}", b'{"events": 5}', b"[" * 200_000])
def test_what_cannot_be_read_is_refused(post: Post, body: bytes) -> None:
    assert post(body=body) == 400
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(("size", "status"), [(LONGEST_REPORT, 400), (LONGEST_REPORT + 1, 413)])
def test_long_body_is_not_even_read(post: Post, size: int, status: int) -> None:
    assert post(body=b" " * size) == status


@pytest.mark.parametrize("key", ["", "let me im", KEY + " "])
def test_unsigned_call_leaves_nothing(post: Post, lead: Lead, key: str) -> None:
    """failures.md row 23."""
    assert post({"event_id": "1"}, key=key) == 403
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(("provider", "token"), [("smtp", ""), ("sandbox", "x"), ("pigeon", ""), ("smtp", "a\x00")])
def test_wrong_address_is_no_door(client: Client, account: ChannelAccount, provider: str, token: str) -> None:
    url = reverse("messaging:webhook", args=[provider, token or account.webhook_token])
    assert client.post(url, headers={"X-Key": KEY}).status_code == 403


def test_sandbox_believes_nobody_from_outside(sandbox: Sandboxes, client: Client, lead: Lead) -> None:
    """failures.md row 23."""
    url = reverse("messaging:webhook", args=["sandbox", sandbox("telegram").webhook_token])
    body = {"event_id": "1", "address": "4711", "text": "STOP"}
    assert client.post(url, body, content_type="application/json").status_code == 403


def test_signs_that_a_database_cannot_hold_are_no_bug_of_ours(post: Post, lead: Lead) -> None:
    """A provider would send them again for ever."""
    body = (
        b'{"events": [{"event_id": "1\\u0000", "text": "a\\u0000\\ud83d", "name": "\\udc00"}], "n": NaN, "\\ud800": 1}'
    )
    assert post(body=body) == 200
    assert (Message.objects.get().body, WebhookEvent.objects.get().payload["n"]) == ("a?", "nan")


def test_status_that_says_so_takes_the_permission_back(post: Post, lead: Lead, sent: Callable) -> None:
    """failures.md row 19: an opt-out that the provider knows of binds us."""
    sent(provider_id="p1", status="sent", address="4711")
    failed = {"kind": "status", "status": "failed", "provider_id": "p1", "code": "unsubscribed"}
    assert [post({"event_id": number} | failed) for number in "12"] == [200, 200]
    rule = ContactPermission.objects.get(lead=lead)
    assert (rule.kind, rule.channel, rule.address, rule.source) == ("revoked", "telegram", "4711", "provider")


def test_status_that_says_that_nobody_is_there_is_kept(post: Post, lead: Lead, sent: Callable) -> None:
    sent(provider_id="p1", status="sent", address="4711")
    post({"event_id": "1", "kind": "status", "status": "failed", "provider_id": "p1", "code": "invalid_address"})
    lead.refresh_from_db()
    assert lead.unreachable == {"telegram": "invalid_address"}


@pytest.fixture
def failed(post: Post, lead: Lead) -> WebhookEvent:
    post({"event_id": "0"}, {"event_id": "1", "bug": True})
    return WebhookEvent.objects.get(event_id="1")


def test_replay_applies_a_stored_event(failed: WebhookEvent, now: datetime, lead: Lead) -> None:
    Talkative.is_mended = True
    replay(stored=failed, now=now)
    failed.refresh_from_db()
    assert (failed.processed_at, failed.error, len(heard())) == (now, "", 2)
    with pytest.raises(Refused) as refused:
        replay(stored=failed, now=now)
    assert (refused.value.reason, len(heard())) == ("already_applied", 2)


def test_replay_says_what_still_stands_in_its_way(failed: WebhookEvent, now: datetime) -> None:
    with pytest.raises(Refused, match="AttributeError") as refused:
        replay(stored=failed, now=now)
    assert refused.value.reason == "fails_again"
    Talkative.is_mended = True
    Lead.objects.update(telegram_chat_id="")
    with pytest.raises(Refused) as refused:
        replay(stored=failed, now=now)
    failed.refresh_from_db()
    assert (refused.value.reason, failed.error.partition(":")[0]) == ("lead_unknown", "lead_unknown")


@pytest.mark.parametrize(("payload", "reason"), [({"events": []}, "event_gone"), ({}, "fails_again")])
def test_replay_of_what_is_not_in_the_payload_is_refused(
    failed: WebhookEvent, now: datetime, payload: Mapping[str, Any], reason: str
) -> None:
    failed.payload = payload
    with pytest.raises(Refused) as refused:
        replay(stored=failed, now=now)
    assert refused.value.reason == reason


def test_person_applies_again_what_failed(failed: WebhookEvent, admin: User) -> None:
    browser, url = signed_in(admin), admin_url(WebhookEvent, "apply", failed.pk)
    assert said(browser.post(url, follow=True)) == [
        "It failed again: AttributeError: 'int' object has no attribute 'items'"
    ]
    Talkative.is_mended = True
    assert said(browser.post(url, follow=True)) == ["1: it has been applied."]
    assert len(heard()) == 2


def test_button_stands_at_what_was_not_applied_only(failed: WebhookEvent, admin: User, broker: Broker) -> None:
    browser = signed_in(admin)

    def buttons(event_id: str) -> list[str]:
        row = WebhookEvent.objects.get(event_id=event_id)
        verbs: list[Verb] = browser.get(admin_url(WebhookEvent, "change", row.pk)).context["verbs"]
        return [verb.name for verb in verbs]

    assert (buttons("0"), buttons("1")) == ([], ["apply"])


def test_chosen_events_are_applied_or_refused_one_by_one(failed: WebhookEvent, admin: User) -> None:
    Talkative.is_mended = True
    chosen = list(WebhookEvent.objects.values_list("pk", flat=True))
    answer = signed_in(admin).post(
        admin_url(WebhookEvent, "changelist"), {"action": "apply_chosen", "_selected_action": chosen}, follow=True
    )
    assert sorted(said(answer)) == ["1: it has been applied.", "This event has been applied already."]
