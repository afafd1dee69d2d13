"""Duplicates, merges and the timeline in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from brokers.models import Broker, User
from leads.actions import create_task, merge_leads, record_inquiry, write_note
from leads.admin.timeline import PAGE, timeline
from leads.models import Lead, MergeRecord, NotDuplicate, Task
from tests.brokers.admin_pages import signed_in
from tests.building import HOUR, NOW, a_broker, a_campaign, a_lead, an_admin, at, enroll, message_step, now_of, run
from tests.messages import a_message

pytestmark = pytest.mark.django_db
LIST = "admin:leads_lead_duplicates"


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def browser(broker: Broker) -> Client:
    admin = an_admin(broker)
    User.objects.filter(pk=admin.pk).update(is_staff=True)
    return signed_in(User.objects.get(pk=admin.pk))


def page_of(lead: Lead, name: str = "change") -> str:
    return reverse(f"admin:leads_lead_{name}", args=[lead.pk])


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def alike(broker: Broker) -> tuple[Lead, Lead]:
    one, other = (a_lead(broker, email="casa@example.com", location=place) for place in ("Lota", "Talca"))
    return one, other


def test_list_shows_pairs_with_what_speaks_for_them(browser: Client, broker: Broker) -> None:
    one, other = alike(broker)
    shown = text(browser.get(reverse(LIST)))
    assert [word in shown for word in (one.phone, other.phone, "50 %")] == [True] * 3
    assert f"{page_of(one, 'merge')}?other={other.pk}" in shown


def test_empty_list_says_so(browser: Client) -> None:
    assert browser.get(reverse(LIST)).context["pairs"] == []


@pytest.mark.parametrize("address", ["after=x", "after=1-2", "broker=x", "broker=99"])
def test_list_bears_any_address(browser: Client, broker: Broker, address: str) -> None:
    alike(broker)
    assert len(browser.get(f"{reverse(LIST)}?{address}").context["pairs"]) == 1


def test_pair_that_is_none_leaves_the_list(browser: Client, broker: Broker) -> None:
    one, other = alike(broker)
    browser.post(reverse(LIST), {"one": one.pk, "other": other.pk})
    assert browser.get(reverse(LIST)).context["pairs"] == []
    [row] = NotDuplicate.objects.all()
    browser.post(reverse("admin:leads_notduplicate_again", args=[row.pk]))
    assert len(browser.get(reverse(LIST)).context["pairs"]) == 1


def test_operator_chooses_the_brokerage(client: Client, broker: Broker) -> None:
    alike(a_broker("boreal"))
    client.force_login(User.objects.create_superuser("operator"))
    boreal = Broker.objects.get(slug="boreal")
    counts = [len(client.get(f"{reverse(LIST)}?broker={one.pk}").context["pairs"]) for one in (broker, boreal)]
    assert counts == [0, 1]


@pytest.mark.parametrize("named", ["pk", "phone", "email", "name"])
def test_other_lead_is_found_by_what_a_person_knows(browser: Client, broker: Broker, named: str) -> None:
    one, other = a_lead(broker), a_lead(broker)
    answer = browser.get(page_of(one, "merge"), {"other": str(getattr(other, named))})
    assert answer.context["other"] == other


def test_other_lead_who_is_none_is_an_error(browser: Client, broker: Broker) -> None:
    one, foreign = a_lead(broker), a_lead(a_broker("boreal"))
    for named in (one.pk, foreign.pk, foreign.phone, "Nobody"):
        answer = browser.get(page_of(one, "merge"), {"other": str(named)})
        assert list(answer.context["form"].errors) == ["other"]


def test_comparison_says_what_differs_what_moves_and_what_ends(browser: Client, broker: Broker) -> None:
    one, other = a_lead(broker, location="Lota"), a_lead(broker, location="Talca")
    campaign = a_campaign(broker, message_step(broker), name="Welcome")
    enroll(campaign, one, other)
    write_note(lead=other, text="x", now=NOW, by=None)
    with translation.override("en"):
        preview = browser.get(page_of(one, "merge"), {"other": other.pk}, headers={"accept-language": "en"}).context[
            "preview"
        ]
    differing = {fact.label: (fact.into, fact.gone, fact.result) for fact in preview.facts if fact.differs}
    assert differing["area"] == ("Lota", "Talca", "Lota")
    assert f"Welcome: ends for {other}, at step 1" in preview.told
    assert "1 × notes" in preview.told
    assert now_of(other).deleted_at is None


def test_merge_is_made_and_undone_by_buttons(browser: Client, broker: Broker) -> None:
    one, other = alike(broker)
    answer = browser.post(page_of(one, "merge"), {"other": other.pk})
    assert (answer.status_code, now_of(other).merged_into_id) == (302, one.pk)
    record = MergeRecord.objects.get()
    assert record.by is not None
    answer = browser.post(reverse("admin:leads_mergerecord_undo", args=[record.pk]), follow=True)
    assert (now_of(other).merged_into_id, MergeRecord.objects.get().undone_by) == (None, record.by)


def test_undo_that_is_refused_says_why(browser: Client, broker: Broker) -> None:
    one, other = alike(broker)
    record = merge_leads(into=one, from_=other, now=timezone.now() - timedelta(days=2))
    answer = browser.post(reverse("admin:leads_mergerecord_undo", args=[record.pk]), follow=True)
    assert (len(said(answer)), now_of(other).merged_into_id) == (1, one.pk)


@pytest.mark.parametrize("page", ["merge", "change"])
def test_pages_of_another_brokerage_do_not_exist(browser: Client, page: str) -> None:
    assert browser.get(page_of(a_lead(a_broker("boreal")), page)).status_code in (302, 404)


def test_agents_may_not_merge(client: Client, broker: Broker) -> None:
    one, other = alike(broker)
    client.force_login(User.objects.create(username="agent", broker=broker, is_staff=True))
    client.post(page_of(one, "merge"), {"other": other.pk})
    assert now_of(other).deleted_at is None


# The timeline.


def test_timeline_tells_of_every_room_newest_first(broker: Broker) -> None:
    lead = a_lead(broker)
    record_inquiry(lead=lead, now=NOW + HOUR, source="portal", property_ref="12-B")
    write_note(lead=lead, text="x", now=NOW + 2 * HOUR, by=None)
    enroll(a_campaign(broker, message_step(broker), channel="telegram"), lead, now=NOW + 3 * HOUR)
    run(at(NOW + 3 * HOUR))
    entries = timeline(lead)
    assert [entry.at for entry in entries] == sorted((entry.at for entry in entries), reverse=True)
    kinds = {"inquiry", "note", "enrolment", "enrolment_end", "message", "stage", "score"}
    assert {entry.kind for entry in entries} == kinds


def test_timeline_reads_the_history_of_who_was_merged(broker: Broker) -> None:
    one, other = alike(broker)
    merge_leads(into=one, from_=other, now=NOW)
    kinds = [entry.kind for entry in timeline(one)]
    assert (kinds.count("stage"), kinds.count("merge")) == (2, 1)


def test_pages_of_the_timeline_are_the_whole_of_it(broker: Broker) -> None:
    """Many of them in one moment."""
    lead = a_lead(broker)
    for number in range(7):
        record_inquiry(lead=lead, now=NOW, source="x", external_id=str(number))
        a_message(lead, created_at=NOW)
    whole, found, before = timeline(lead, limit=1000), [], None
    while page := timeline(lead, before, 3):
        found += page
        before = page[-1].key
    assert found == whole


def test_timeline_costs_the_same_for_one_and_for_many(
    broker: Broker, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    lead, busy = a_lead(broker), a_lead(broker)
    for number in range(30):
        record_inquiry(lead=busy, now=NOW, source="x", external_id=str(number))
        a_message(busy)
        write_note(lead=busy, text="x", now=NOW, by=an_admin(broker) if number == 0 else None)
    with django_assert_max_num_queries(20) as counted:
        timeline(lead)
    with django_assert_num_queries(len(counted)):
        timeline(busy)


def test_page_of_a_lead_shows_the_timeline_and_a_way_to_what_is_older(browser: Client, broker: Broker) -> None:
    lead = a_lead(broker)
    for number in range(PAGE + 3):
        record_inquiry(lead=lead, now=NOW + number * HOUR, source="x", external_id=str(number), text=f"asked-{number}.")
    first = browser.get(page_of(lead))
    assert (f"asked-{PAGE + 2}." in text(first), "asked-1." in text(first)) == (True, False)
    older = browser.get(page_of(lead), {"before": first.context["timeline_older"]})
    assert ("asked-1." in text(older), older.context["timeline_older"]) == (True, "")


@pytest.mark.parametrize(
    "before", ["x", "~~", "2026-01-01~a~b", "2026-01-01T00:00:00~a~1", "0001-01-01T00:00:00+14:00~a~1"]
)
def test_timeline_bears_any_address(browser: Client, broker: Broker, before: str) -> None:
    answer = browser.get(page_of(a_lead(broker)), {"before": before})
    assert (answer.status_code, answer.context["timeline_before"]) == (200, None)


def test_timeline_bears_a_zone_that_is_half_a_second_off(browser: Client, broker: Broker) -> None:
    """Which no database reads."""
    before = "2026-11-22T19:14:04+23:59:59.5~score~5"
    assert browser.get(page_of(a_lead(broker)), {"before": before}).status_code == 200


def test_timeline_says_what_leads_wrote_as_text(browser: Client, broker: Broker) -> None:
    lead = a_lead(broker)
    create_task(lead=lead, title="<script>x</script>", due_at=NOW, now=NOW)
    Task.objects.update(done_at=NOW)
    assert "&lt;script&gt;x" in text(browser.get(page_of(lead)))
