"""Every adapter keeps the same contract; adapter_contract.py says with whom and how."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from brokers.models import Broker
from leads.models import Lead
from messaging.base import Envelope, Outcome
from messaging.models import ChannelAccount, Message, WebhookEvent
from tests.messaging import adapter_contract, adapter_contract_more, recipe
from tests.messaging.adapter_contract import ACCEPTED, FOR_GOOD, WORDS, Contestant, Stage, Webhook

CONTESTANTS = [*adapter_contract.CONTESTANTS, *adapter_contract_more.MORE, recipe.contestant()]

MakeEnvelope = Callable[..., Envelope]
Post = Callable[..., int]
by_provider: Any = {"ids": lambda value: value.name if isinstance(value, Contestant) else str(value)}


@pytest.fixture(autouse=True)
def wired(settings: LazySettings) -> None:
    """With the line of docs/adding-a-provider.md."""
    settings.PROVIDERS = recipe.providers()


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    contestant: Contestant = request.param
    with contestant.stage() as staged:
        staged.says("accept")
        yield staged


@pytest.fixture
def send(stage: Stage, envelope: MakeEnvelope) -> Callable[[str], Outcome]:
    fields = {"channel": stage.adapter.account.channel, "address": stage.address, "window_open": True}
    numbers = count(1)
    return lambda text: stage.adapter.send(envelope(message_id=next(numbers), body=text, **fields))


every = pytest.mark.parametrize("stage", CONTESTANTS, indirect=True, **by_provider)
every_word = pytest.mark.parametrize(
    ("stage", "word"), [(one, word) for one in CONTESTANTS for word in one.words], indirect=["stage"], **by_provider
)


@every_word
def test_what_the_provider_does_is_told_in_our_words(
    stage: Stage, send: Callable[[str], Outcome], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """failures.md rows 4 and 18: accepted, not yet, never and nobody knows are four things."""
    caplog.set_level("DEBUG")
    stage.says(word)
    outcome = send("Hola Ana")
    kind, code = WORDS[word]
    assert (outcome.kind, outcome.code if code is not None else None) == (kind, code)
    assert bool(outcome.code) == (outcome.kind != ACCEPTED)
    assert [secret for secret in stage.secrets if secret in f"{outcome} {caplog.text}"] == []


@every_word
def test_next_message_goes_out_whatever_became_of_the_last(
    stage: Stage, send: Callable[[str], Outcome], word: str
) -> None:
    stage.says(word)
    send("Hola")
    stage.says("accept")
    outcome = send("Otra vez")
    assert (outcome.kind, bool(outcome.provider_id)) == (ACCEPTED, True)
    assert stage.texts()[-1] == "Otra vez"


@every
@pytest.mark.parametrize(
    "text", ["¿Ñuñoa a 3.000 UF? Sí 🏡 «perfecto»", "你好 שלום", "una\nlínea\n\nmás", "{x} <b>&amp;</b>"]
)
def test_text_arrives_as_it_was_written(stage: Stage, send: Callable[[str], Outcome], text: str) -> None:
    assert (send(text).kind, stage.texts()) == (ACCEPTED, [text])


@every
def test_message_ids_tell_messages_apart(stage: Stage, send: Callable[[str], Outcome]) -> None:
    ids = [send("Hola").provider_id for _ in range(3)]
    assert len(set(ids) - {""}) == 3


@every
def test_longest_text_goes_out_and_a_longer_one_is_not_tried(stage: Stage, send: Callable[[str], Outcome]) -> None:
    if stage.longest is None:
        assert send("a" * 100_000).kind == ACCEPTED
        return
    assert send("ñ" * stage.longest).kind == ACCEPTED
    outcome = send("ñ" * (stage.longest + 1))
    assert (outcome.kind, outcome.code, len(stage.texts())) == (FOR_GOOD, "too_long", 1)


LISTENING = [contestant for contestant in CONTESTANTS if contestant.webhook is not None]
every_webhook = pytest.mark.parametrize("listening", LISTENING, indirect=True, **by_provider)


class Listening:
    """An account at whose door its provider posts."""

    def __init__(self, contestant: Contestant, broker: Broker, now: datetime) -> None:
        assert contestant.webhook is not None
        self.webhook: Webhook = contestant.webhook
        self.account = ChannelAccount.objects.create(
            broker=broker,
            channel=self.webhook.channel,
            provider=contestant.provider,
            service=contestant.service,
            credentials=dict(self.webhook.credentials),
            created_at=now,
        )
        self.url = reverse("messaging:webhook", args=[contestant.provider, self.account.webhook_token])

    def signed(self, event_id: str = "1", text: str = "Hola", address: str = "") -> dict[str, Any]:
        payload = self.webhook.inbound(event_id, address or self.webhook.address, text)
        return self.webhook.post(self.account, payload)


@pytest.fixture
def listening(request: pytest.FixtureRequest, broker: Broker, lead: Lead, now: datetime) -> Listening:
    return Listening(request.param, broker, now)


@every_webhook
def test_signed_message_is_heard_once_however_often_it_comes(listening: Listening, client: Client, lead: Lead) -> None:
    """failures.md row 24."""
    answers = [client.post(listening.url, **listening.signed()).status_code for _ in range(3)]
    lead.refresh_from_db()
    assert answers == [200, 200, 200]
    assert [message.body for message in Message.objects.all()] == ["Hola"]
    assert (lead.inbound_count, WebhookEvent.objects.get().error) == (1, "")


@every_webhook
@pytest.mark.parametrize("forgery", ["", "x", "none"])
def test_message_that_is_not_signed_right_is_not_heard(listening: Listening, client: Client, forgery: str) -> None:
    """failures.md row 23."""
    post = listening.webhook.forged(listening.signed(), forgery)
    assert client.post(listening.url, **post).status_code == 403
    assert not WebhookEvent.objects.exists()


@every_webhook
def test_account_without_credentials_believes_nobody(listening: Listening, client: Client) -> None:
    """failures.md row 23: it fails closed."""
    post = listening.signed()
    listening.account.credentials = {}
    listening.account.save()
    empty = listening.signed() if listening.account.provider == "telegram" else post
    assert [client.post(listening.url, **one).status_code for one in (post, empty)] == [403, 403]
    assert not WebhookEvent.objects.exists()


@every_webhook
def test_looking_at_the_door_changes_nothing(listening: Listening, client: Client) -> None:
    """failures.md row 20. Some providers look whether it is there before they take its address."""
    asked = [getattr(client, method)(listening.url).status_code for method in ("get", "head", "put", "delete")]
    assert asked == [200, 200, 405, 405]
    assert not WebhookEvent.objects.exists()


@every_webhook
def test_text_of_a_lead_is_kept_as_it_was_written(listening: Listening, client: Client) -> None:
    client.post(listening.url, **listening.signed(text="¿Ñuñoa? Sí 🏡"))
    assert Message.objects.get().body == "¿Ñuñoa? Sí 🏡"
