"""When an agent can be booked, set on one page of the admin; and the meetings' buttons."""

from datetime import time
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from leads.actions import propose_appointment
from leads.models import Appointment, Availability, Calendar
from tests.brokers.admin_pages import admin_url, errors, form_data, said, saved, signed_in
from tests.brokers.everything import Brokerage
from tests.building import DAY, HOUR, a_meeting, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def url_of(aurora: Brokerage) -> str:
    return admin_url(Calendar, "change", aurora.one(Calendar).pk)


def with_row(browser: Client, url: str, prefix: str, **fields: str) -> Any:
    """Save the page with one more row below it; `prefix` is hours, hours-2 (dates) or hours-3 (blocks)."""
    data = form_data(browser.get(url))
    number = int(data[f"{prefix}-INITIAL_FORMS"][0])
    data[f"{prefix}-TOTAL_FORMS"] = str(number + 1)
    return browser.post(url, data | {f"{prefix}-{number}-{name}": value for name, value in fields.items()})


def faults(answer: Any) -> list[dict[str, list[str]]]:
    assert answer.status_code == 200
    forms = [form for inline in answer.context["inline_admin_formsets"] for form in inline.formset.forms]
    return [{name: [str(one) for one in said] for name, said in form.errors.items()} for form in forms if form.errors]


def test_calendar_of_an_agent_is_made_with_the_usual_settings(browser: Client, aurora: Brokerage) -> None:
    agent = a_user(aurora.broker, "diego")
    answer = saved(browser, admin_url(Calendar, "add"), agent=agent.pk)
    assert answer.status_code == 302
    calendar = Calendar.objects.get(agent=agent)
    settings = (calendar.slot_minutes, calendar.buffer_minutes, calendar.notice_minutes, calendar.days_ahead)
    assert (calendar.broker, settings, calendar.feed_token) == (aurora.broker, (45, 15, 120, 21), "")


def test_agent_has_one_calendar(browser: Client, aurora: Brokerage) -> None:
    answer = saved(browser, admin_url(Calendar, "add"), agent=aurora.agent.pk)
    assert list(errors(answer)) == ["agent"]


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("slot_minutes", "4", "Ensure this value is greater than or equal to 5."),
        ("slot_minutes", "481", "Ensure this value is less than or equal to 480."),
        ("buffer_minutes", "241", "Ensure this value is less than or equal to 240."),
        ("notice_minutes", "20161", "Ensure this value is less than or equal to 20160."),
        ("days_ahead", "0", "Ensure this value is greater than or equal to 1."),
    ],
)
def test_setting_out_of_its_range_is_refused(
    browser: Client, aurora: Brokerage, field: str, value: str, fault: str
) -> None:
    assert errors(saved(browser, url_of(aurora), **{field: value})) == {field: [fault]}


def test_hours_dates_and_blocks_are_kept_each_as_what_it_is(browser: Client, aurora: Brokerage) -> None:
    url = url_of(aurora)
    answers = [
        with_row(browser, url, "hours", weekday="2", opens="09:00", closes="13:00"),
        with_row(browser, url, "hours-2", on="2126-12-24", opens="09:00", closes="12:00"),
        with_row(browser, url, "hours-2", on="2126-12-25"),
        with_row(
            browser,
            url,
            "hours-3",
            starts_at_0="2126-01-01",
            starts_at_1="09:00",
            ends_at_0="2126-01-15",
            ends_at_1="09:00",
        ),
    ]
    assert [answer.status_code for answer in answers] == [302] * 4
    rows = Availability.objects.filter(broker=aurora.broker).order_by("pk")[1:]
    assert [(row.kind, row.opens) for row in rows] == [
        ("weekly", time(9)),
        ("date", time(9)),
        ("date", None),
        ("block", None),
    ]


@pytest.mark.parametrize(
    ("prefix", "fields", "fault"),
    [
        (
            "hours",
            {"weekday": "2", "opens": "13:00", "closes": "09:00"},
            {"closes": ["to=09:00 is not allowed; use one after 13:00"]},
        ),
        ("hours", {"weekday": "2", "opens": "13:00"}, {"closes": ["This field is required."]}),
        (
            "hours",
            {"weekday": "1", "opens": "17:00", "closes": "20:00"},
            {"opens": ["17:00–20:00 is not allowed: it overlaps with 09:00–18:00 of the same day"]},
        ),
        ("hours-2", {"on": "2126-12-24", "opens": "09:00"}, {"closes": ["to is missing; give both, or neither"]}),
        ("hours-2", {"opens": "09:00", "closes": "10:00"}, {"on": ["This field is required."]}),
        (
            "hours-3",
            {"starts_at_0": "2126-01-02", "starts_at_1": "09:00", "ends_at_0": "2126-01-01", "ends_at_1": "09:00"},
            {"ends_at": ["ends=2126-01-01 09:00 is not allowed; use one after 2126-01-02 09:00"]},
        ),
    ],
)
def test_hours_that_cannot_be_are_refused_at_their_field(
    browser: Client, aurora: Brokerage, prefix: str, fields: dict[str, str], fault: dict[str, list[str]]
) -> None:
    assert faults(with_row(browser, url_of(aurora), prefix, **fields)) == [fault]
    assert Availability.objects.count() == 1


def test_hours_are_taken_away(browser: Client, aurora: Brokerage) -> None:
    assert saved(browser, url_of(aurora), **{"hours-0-DELETE": "on"}).status_code == 302
    assert not Availability.objects.exists()


def test_feed_address_is_made_shown_and_revoked_by_buttons(browser: Client, aurora: Brokerage) -> None:
    Calendar.objects.update(feed_token="")
    url, pk = url_of(aurora), aurora.one(Calendar).pk
    assert "None yet: press" in browser.get(url).content.decode()
    browser.post(admin_url(Calendar, "feed", pk))
    token = Calendar.objects.get().feed_token
    assert f"/calendar/{token}.ics" in browser.get(url).content.decode()
    browser.post(admin_url(Calendar, "feed", pk))
    assert Calendar.objects.get().feed_token not in ("", token)
    browser.post(admin_url(Calendar, "revoke", pk))
    assert Calendar.objects.get().feed_token == ""


def test_looking_at_a_button_changes_nothing(browser: Client, aurora: Brokerage) -> None:
    before = Calendar.objects.values().get()
    for verb in ("feed", "revoke"):
        assert browser.get(admin_url(Calendar, verb, aurora.one(Calendar).pk)).status_code == 200
    assert Calendar.objects.values().get() == before


def test_list_says_who_can_be_booked(browser: Client, aurora: Brokerage) -> None:
    assert 'alt="True"' in browser.get(admin_url(Calendar, "changelist")).content.decode()
    Availability.objects.all().delete()
    assert 'alt="False"' in browser.get(admin_url(Calendar, "changelist")).content.decode()


def test_meeting_with_an_agent_without_hours_says_what_to_do(browser: Client, aurora: Brokerage) -> None:
    Availability.objects.all().delete()
    url = admin_url(Appointment, "add")
    answer = browser.post(url, form_data(browser.get(url)) | {"lead": aurora.lead.pk}, follow=True)
    says = f"{aurora.agent} has no hours in which leads can choose a time: add them under Calendars."
    assert says in said(answer)


def offered(browser: Client, meeting: Appointment) -> list[str]:
    page = browser.get(admin_url(Appointment, "change", meeting.pk))
    return [verb.name for verb in page.context["verbs"]]


def test_meeting_offers_what_can_be_done_with_it(browser: Client, aurora: Brokerage) -> None:
    now = timezone.now()
    ahead = a_meeting(aurora.lead, now + 2 * DAY)
    begun = a_meeting(aurora.lead, now - HOUR)
    proposed = propose_appointment(lead=aurora.lead, now=now)
    assert offered(browser, ahead) == ["confirm", "move", "cancel"]
    assert offered(browser, begun) == ["complete", "no-show"]
    assert offered(browser, proposed) == ["book", "cancel"]


@pytest.mark.parametrize(("verb", "status"), [("complete", "completed"), ("no-show", "no_show")])
def test_what_became_of_a_meeting_is_said_by_its_button(
    browser: Client, aurora: Brokerage, verb: str, status: str
) -> None:
    begun = a_meeting(aurora.lead, timezone.now() - HOUR)
    assert browser.post(admin_url(Appointment, verb, begun.pk)).status_code == 302
    assert Appointment.objects.get(pk=begun.pk).status == status


def test_calling_off_tells_only_who_had_a_meeting(browser: Client, aurora: Brokerage) -> None:
    now = timezone.now()
    for meeting, word in (
        (a_meeting(aurora.lead, now + 2 * DAY), "Called off; the lead is told."),
        (propose_appointment(lead=aurora.lead, now=now), "Called off."),
    ):
        assert said(browser.post(admin_url(Appointment, "cancel", meeting.pk), follow=True)) == [word]


def test_meeting_is_moved_and_a_taken_time_is_refused(browser: Client, aurora: Brokerage) -> None:
    meeting = a_meeting(aurora.lead, timezone.now() + 2 * DAY)
    a_meeting(aurora.lead, timezone.now().replace(hour=15, minute=0, second=0, microsecond=0) + 5 * DAY)
    times = {"starts_at": "2126-11-05T10:00", "ends_at": "2126-11-05T11:00"}
    url = admin_url(Appointment, "move", meeting.pk)
    assert browser.post(url, times).status_code == 302
    assert Appointment.objects.get(pk=meeting.pk).sequence == 1
    other = a_meeting(aurora.lead, timezone.now() + 3 * DAY)
    answer = browser.post(admin_url(Appointment, "move", other.pk), times)
    assert "That time has just been taken; choose another one." in said(answer)
    assert Appointment.objects.get(pk=other.pk).sequence == 0


YEARS = pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2201-01-01", "9999-12-31"])


@YEARS
def test_stretch_far_from_our_time_is_refused_with_the_years_that_are_allowed(
    browser: Client, aurora: Brokerage, day: str
) -> None:
    """Such a one could be stored, and no page that reads it would open again."""
    until = {"ends_at_0": "2126-11-05", "ends_at_1": "10:00"}
    answer = with_row(browser, url_of(aurora), "hours-3", starts_at_0=day, starts_at_1="00:00", **until)
    assert faults(answer)[0]["starts_at"] == [f"year={int(day[:4])} is not allowed; use one from 2000 to 2200"]


@YEARS
def test_meeting_far_from_our_time_is_refused(browser: Client, aurora: Brokerage, day: str) -> None:
    """The engine could not reckon its reminders."""
    meeting = propose_appointment(lead=aurora.lead, now=timezone.now())
    times = {"starts_at": f"{day}T10:00", "ends_at": f"{day}T11:00"}
    answer = browser.post(admin_url(Appointment, "book", meeting.pk), times)
    assert list(answer.context["form"].errors) == ["starts_at", "ends_at"]
