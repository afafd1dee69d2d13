"""What happened to a lead comes down onto it, and its score follows."""

from datetime import timedelta
from typing import Any

import pytest

from brokers.models import Broker
from leads.actions import after_fact_change, mark_unreachable, record_call, record_inbound, record_permission
from leads.models import ContactPermission, Lead, ScoreChange
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, now_of

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker)


def test_inbound_message_is_counted_and_stamped(lead: Lead) -> None:
    record_inbound(lead=lead, now=NOW + DAY, answers=None)
    fresh = now_of(lead)
    assert (fresh.inbound_count, fresh.quick_reply_count) == (1, 0)
    assert (fresh.last_inbound_at, fresh.last_activity_at, fresh.last_answered_at) == (NOW + DAY, NOW + DAY, None)
    assert fresh.score_components["inbound"] == 4


@pytest.mark.parametrize(
    ("after", "quick"), [(5 * MINUTE, 1), (5 * MINUTE + timedelta(seconds=1), 0), (timedelta(), 1)]
)
def test_reply_within_five_minutes_is_quick(lead: Lead, after: timedelta, quick: int) -> None:
    record_inbound(lead=lead, now=NOW + after, answers=NOW)
    assert now_of(lead).quick_reply_count == quick


def test_second_quick_reply_is_worth_points(lead: Lead) -> None:
    moments = [NOW, NOW + HOUR]
    scores = [record_inbound(lead=lead, now=at + MINUTE, answers=at).lead_score for at in moments]
    assert scores == [15 + 4, 15 + 8 + 6]


def test_quick_reply_in_several_lines_is_one(lead: Lead) -> None:
    for n in (1, 2, 3):
        record_inbound(lead=lead, now=NOW + n * MINUTE, answers=NOW)
    assert (now_of(lead).inbound_count, now_of(lead).quick_reply_count) == (3, 1)


@pytest.mark.parametrize(("seconds", "count"), [(0, 0), (60, 0), (61, 1)])
def test_call_counts_when_it_is_over_a_minute(lead: Lead, seconds: int, count: int) -> None:
    record_call(lead=lead, now=NOW + DAY, seconds=seconds)
    assert (now_of(lead).long_call_count, now_of(lead).last_activity_at) == (count, NOW + DAY)


def test_opt_out_is_written_for_every_address(broker: Broker, lead: Lead) -> None:
    """It holds although the lead is deleted and comes again."""
    record_permission(broker=broker, lead=lead, kind="revoked", now=NOW, source="keyword", wording="BAJA")
    rows = ContactPermission.objects.filter(lead=lead, kind="revoked", channel="*", wording="BAJA")
    assert set(rows.values_list("address", flat=True)) == {lead.phone, lead.email, lead.telegram_chat_id}
    fresh = now_of(lead)
    assert (fresh.opted_out_at, fresh.score_components["opted_out"], fresh.lead_score) == (NOW, -30, 0)


def test_opt_out_is_a_sign_of_life(broker: Broker, lead: Lead) -> None:
    record_permission(broker=broker, lead=lead, kind="revoked", now=NOW + DAY, source="link")
    assert now_of(lead).last_activity_at == NOW + DAY


def test_permission_given_again_ends_the_penalty(broker: Broker, lead: Lead) -> None:
    for kind in ("revoked", "granted"):
        record_permission(broker=broker, lead=lead, kind=kind, now=NOW, source="form")
    assert (now_of(lead).opted_out_at, now_of(lead).lead_score) == (None, 15)
    assert ContactPermission.objects.filter(lead=lead).count() == 6


def test_opt_out_of_a_lead_without_address_is_the_leads_own(broker: Broker) -> None:
    nobody = a_lead(broker, phone="", email="", telegram_chat_id="")
    record_permission(broker=broker, lead=nobody, kind="revoked", now=NOW, source="form")
    assert ContactPermission.objects.get().lead == nobody


def test_suppressed_address_needs_no_lead(broker: Broker) -> None:
    record_permission(broker=broker, kind="revoked", address="ana@example.com", now=NOW, source="list")
    row = ContactPermission.objects.get()
    assert (row.lead, row.address, row.broker) == (None, "ana@example.com", broker)


def test_unreachable_channels_are_kept_side_by_side(lead: Lead) -> None:
    for channel in ("telegram", "email"):
        mark_unreachable(lead=lead, channel=channel, code="invalid_address", now=NOW)
    assert now_of(lead).unreachable == {"telegram": "invalid_address", "email": "invalid_address"}
    assert now_of(lead).score_components["invalid_address"] == -10


def test_score_that_stays_writes_nothing(lead: Lead) -> None:
    after_fact_change(lead=lead, now=NOW + DAY, cause="edit")
    assert (ScoreChange.objects.count(), now_of(lead).updated_at) == (1, NOW)


def test_score_is_made_of_what_is_in_the_database(lead: Lead) -> None:
    """Not of the instance that somebody loaded earlier."""
    Lead.objects.filter(pk=lead.pk).update(location="Ñuñoa")
    assert after_fact_change(lead=lead, now=NOW, cause="edit").lead_score == 20


def test_score_falls_after_sixty_days_of_silence(lead: Lead) -> None:
    assert after_fact_change(lead=lead, now=NOW + 60 * DAY, cause="night").score_components["silent"] == -5
    change = ScoreChange.objects.latest("id")
    assert (change.from_score, change.to_score, change.cause) == (15, 10, "night")


@pytest.mark.parametrize(("weights", "score"), [({}, 15), ({"name": 50}, 60), ({"email": 0}, 10)])
def test_score_follows_the_brokerages_weights(weights: dict[str, Any], score: int) -> None:
    broker = a_broker(score_weights=weights)
    assert a_lead(broker).lead_score == score


@pytest.mark.parametrize(
    ("channel", "column"),
    [("telegram", "telegram_chat_id"), ("email", "email"), ("whatsapp", "phone"), ("call", "phone")],
)
def test_permission_for_one_channel_is_written_for_its_address(
    broker: Broker, lead: Lead, channel: str, column: str
) -> None:
    record_permission(broker=broker, lead=lead, kind="revoked", channel=channel, now=NOW, source="form")
    assert list(ContactPermission.objects.values_list("channel", "address")) == [(channel, getattr(lead, column))]


@pytest.mark.parametrize(
    ("rules", "is_out"),
    [
        ([("revoked", "*"), ("granted", "email")], True),
        ([("revoked", "*"), ("granted", "*")], False),
        ([("revoked", "email")], True),
        ([("revoked", "email"), ("granted", "email")], False),
        ([("revoked", "email"), ("granted", "*")], False),
        ([("revoked", "email"), ("granted", "telegram")], True),
        ([("revoked", "*"), ("granted", "*"), ("revoked", "call"), ("granted", "call")], False),
    ],
)
def test_lead_is_opted_out_as_long_as_anything_is_taken_back(
    broker: Broker, lead: Lead, rules: list[tuple[str, str]], is_out: bool
) -> None:
    for kind, channel in rules:
        record_permission(broker=broker, lead=lead, kind=kind, channel=channel, now=NOW, source="form")
    assert (now_of(lead).opted_out_at is not None, "opted_out" in now_of(lead).score_components) == (is_out, is_out)


def test_permission_for_marketing_gives_back_no_other_purpose(broker: Broker, lead: Lead) -> None:
    for kind, purpose in (("revoked", "all"), ("granted", "marketing")):
        record_permission(broker=broker, lead=lead, kind=kind, purpose=purpose, now=NOW, source="form")
    assert now_of(lead).opted_out_at == NOW


def test_message_that_comes_late_moves_no_moment_back(lead: Lead) -> None:
    for moment in (NOW + DAY, NOW + MINUTE):
        record_inbound(lead=lead, now=moment, answers=None)
    fresh = now_of(lead)
    assert (fresh.inbound_count, fresh.last_inbound_at, fresh.last_activity_at) == (2, NOW + DAY, NOW + DAY)
