"""That a lead has opted out follows the addresses that they have, however they got them."""

import pytest
from django.db import transaction

from brokers.models import Broker, User
from leads.actions import edit_lead, merge_leads, record_consent, record_permission, suppress_addresses, unmerge_leads
from leads.models import Lead
from tests.building import HOUR, NOW, a_broker, a_lead, an_admin, now_of
from tests.deadlocks import no_deadlock, report_what_happened
from tests.together import meanwhile

pytestmark = pytest.mark.django_db
SAID = {"kind": "revoked", "source": "list", "now": NOW}


@pytest.fixture
def broker() -> Broker:
    return a_broker()


def edited(lead: Lead, **changes: str) -> Lead:
    return edit_lead(lead=lead, now=NOW + HOUR, by=None, **changes)


@pytest.mark.parametrize(
    ("column", "address"), [("email", "x@example.com"), ("phone", "+56987654329"), ("telegram_chat_id", "99")]
)
def test_lead_who_gets_a_suppressed_address_has_opted_out(broker: Broker, column: str, address: str) -> None:
    """failures.md row 19."""
    lead = a_lead(broker)
    record_permission(broker=broker, address=address, **SAID)  # type: ignore[arg-type]
    assert edited(lead, **{column: address}).opted_out_at == NOW
    assert now_of(lead).score_components["opted_out"] == -30


def test_lead_who_gives_a_suppressed_address_up_has_not_opted_out(broker: Broker) -> None:
    record_permission(broker=broker, address="x@example.com", **SAID)  # type: ignore[arg-type]
    lead = a_lead(broker, email="x@example.com")
    assert (lead.opted_out_at, edited(lead, email="ana@example.com").opted_out_at) == (NOW, None)


def test_who_opted_out_stays_so_with_another_address(broker: Broker) -> None:
    lead = a_lead(broker)
    record_permission(broker=broker, lead=lead, channel="email", **SAID)  # type: ignore[arg-type]
    assert edited(lead, email="new@example.com").opted_out_at == NOW


def test_what_another_brokerage_was_told_of_a_new_address_does_not_count(broker: Broker) -> None:
    """failures.md row 33."""
    record_permission(broker=a_broker("boreal"), address="x@example.com", **SAID)  # type: ignore[arg-type]
    assert edited(a_lead(broker), email="x@example.com").opted_out_at is None


def test_what_somebody_else_played_for_a_new_address_does_not_count(broker: Broker) -> None:
    other = a_lead(broker, email="x@example.com")
    record_permission(broker=broker, lead=other, channel="email", evidence={"sandbox": True}, **SAID)  # type: ignore[arg-type]
    assert (now_of(other).opted_out_at, edited(a_lead(broker), email="x@example.com").opted_out_at) == (NOW, None)


def suppress(broker: Broker, by: User, one: Lead, two: Lead) -> None:
    lines = f"{two.phone}\n{one.phone}"
    suppress_addresses(
        broker=broker, text=lines, reach="phone", purpose="all", source="REPEP", wording="", by=by, now=NOW
    )
    report_what_happened()


def consent(broker: Broker, one: Lead) -> None:
    record_consent(broker=broker, kind="revoked", source="api", address=one.phone, now=NOW)
    report_what_happened()


@pytest.mark.django_db(transaction=True)
def test_list_of_addresses_takes_its_leads_in_the_order_of_all_others(broker: Broker) -> None:
    """The list names them the other way round."""
    one, two = a_lead(broker), a_lead(broker)
    by = an_admin(broker)
    with no_deadlock():
        with meanwhile() as begin, transaction.atomic():
            Lead.objects.select_for_update(no_key=True).get(pk=one.pk)
            begin(lambda: suppress(broker, by, one, two))
            Lead.objects.select_for_update(no_key=True).get(pk=two.pk)
        report_what_happened()
    assert [now_of(lead).opted_out_at for lead in (one, two)] == [NOW, NOW]


@pytest.mark.django_db(transaction=True)
def test_opt_out_of_an_address_that_waits_for_a_merge_is_kept(broker: Broker) -> None:
    """failures.md row 19: it binds who has the address by then."""
    into, gone = a_lead(broker, phone=""), a_lead(broker)
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        begin(lambda: consent(broker, gone))
    assert (now_of(into).opted_out_at, {row.address for row in into.permissions.all()}) == (
        NOW,
        {gone.phone, into.email, into.telegram_chat_id},
    )


def test_opt_out_from_the_merged_address_stays_with_it_when_the_merge_is_undone(broker: Broker) -> None:
    """failures.md row 19: for the policy the address says it, and so does the lead."""
    into, gone = a_lead(broker), a_lead(broker)
    record = merge_leads(into=into, from_=gone, now=NOW)
    record_permission(broker=broker, lead=into, address=gone.email, **SAID)  # type: ignore[arg-type]
    unmerge_leads(record=record, now=NOW)
    assert [now_of(lead).opted_out_at for lead in (into, gone)] == [NOW, NOW]


@pytest.mark.parametrize("column", ["phone", "email", "telegram_chat_id"])
def test_opt_out_of_the_address_of_a_merged_lead_binds_the_kept_one(broker: Broker, column: str) -> None:
    """failures.md row 19."""
    into, gone = a_lead(broker), a_lead(broker)
    merge_leads(into=into, from_=gone, now=NOW)
    channel = {"phone": "whatsapp", "email": "email", "telegram_chat_id": "telegram"}[column]
    address = getattr(gone, column)
    record_consent(broker=broker, kind="revoked", source="api", channel=channel, address=address, now=NOW)
    assert list(into.permissions.values_list("address", "channel")) == [(address, channel)]
    assert now_of(into).opted_out_at == NOW


def test_list_with_the_address_of_a_merged_lead_binds_the_kept_one(broker: Broker) -> None:
    """failures.md row 19."""
    into, gone = a_lead(broker), a_lead(broker)
    merge_leads(into=into, from_=gone, now=NOW)
    suppress(broker, an_admin(broker), gone, gone)
    assert set(into.permissions.values_list("address", "channel")) == {(gone.phone, "call"), (gone.phone, "whatsapp")}
