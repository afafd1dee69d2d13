"""The broker's list of those who are not to be contacted: lines read, looked at, added, and left by a consent only."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions import preview_suppression, record_consent, record_permission, suppress_addresses
from leads.models import ContactPermission, Lead, Suppression
from leads.suppression import read_list
from tests.brokers.admin_pages import admin_url, errors, said, saved, signed_in
from tests.building import DAY, NOW, a_lead, now_of

pytestmark = pytest.mark.django_db
MANY = "/admin/leads/suppression/many/"
GIVEN = {"reach": "phone", "purpose": "marketing", "source": "No Llame", "wording": ""}


def suppress(broker: Broker, by: User, *lines: str, **fields: Any) -> list[tuple[str, str]]:
    found = suppress_addresses(broker=broker, text="\n".join(lines), by=by, now=NOW, **GIVEN | fields)
    return [(line.verdict, line.address) for line in found]


def rows() -> set[tuple[str, str, str]]:
    return set(ContactPermission.objects.values_list("address", "channel", "kind"))


def listed() -> set[tuple[str, str]]:
    return set(Suppression.objects.standing().values_list("address", "channel"))


@pytest.fixture
def browser(admin: User) -> Client:
    return signed_in(admin)


def test_every_line_is_explained() -> None:
    text = "Teléfono;Nombre\n987654321;Ana\n\nAna;+56 9 8765 4321\nLuis;12\nana@example.com\n9 2233 4455"
    lines = [(line.number, line.verdict, line.address) for line in read_list(text, reach="phone", country="CL")]
    assert lines == [
        (1, "header", ""),
        (2, "new", "+56987654321"),
        (4, "twice", "+56987654321"),
        (5, "invalid", ""),
        (6, "invalid", ""),
        (7, "new", "+56922334455"),
    ]


@pytest.mark.parametrize(
    ("reach", "line", "address"),
    [
        ("*", "987654321", "+56987654321"),
        ("*", "ANA@example.com", "ana@example.com"),
        ("email", "Ana <Ana@Example.com>", "ana@example.com"),
        ("telegram", "123456789", "123456789"),
        ("phone", '"Pérez, Ana",987654321', "+56987654321"),
        ("phone", "Ana\t987654321", "+56987654321"),
        ("call", "+34612345678", "+34612345678"),
        ("*", "123456", ""),
        ("email", "987654321", ""),
        ("telegram", "@ana", ""),
    ],
)
def test_address_is_read_as_it_is_looked_up(reach: str, line: str, address: str) -> None:
    [found] = read_list(line, reach=reach, country="CL")
    assert (found.address, found.verdict) == (address, "new" if address else "invalid")


def test_registry_of_phones_holds_for_calls_and_whatsapp(broker: Broker, admin: User) -> None:
    assert suppress(broker, admin, "9 2233 4455") == [("new", "+56922334455")]
    assert rows() == {("+56922334455", "call", "revoked"), ("+56922334455", "whatsapp", "revoked")}
    row = ContactPermission.objects.first()
    assert row is not None
    assert (row.lead, row.source, row.at) == (None, "No Llame", NOW)
    assert row.evidence == {"by": admin.username, "line": 1}


def test_lead_who_has_the_address_has_opted_out(broker: Broker, lead: Lead, admin: User) -> None:
    suppress(broker, admin, lead.phone)
    assert now_of(lead).opted_out_at == NOW
    assert set(ContactPermission.objects.values_list("lead", "channel")) == {(lead.pk, "call"), (lead.pk, "whatsapp")}


def test_what_is_on_the_list_is_not_added_again(broker: Broker, lead: Lead, admin: User) -> None:
    lines = ("922334455", lead.phone)
    suppress(broker, admin, *lines)
    before = ContactPermission.objects.count()
    assert [verdict for verdict, _address in suppress(broker, admin, *lines)] == ["known", "known"]
    assert ContactPermission.objects.count() == before
    assert suppress(broker, admin, "922334455", purpose="all") == [("new", "+56922334455")]


def test_what_was_given_again_is_added_again(broker: Broker, admin: User) -> None:
    suppress(broker, admin, "922334455")
    record_consent(
        broker=broker, address="+56922334455", kind="granted", source="x", wording="Sí", now=NOW + timedelta(seconds=1)
    )
    assert listed() == set()
    assert suppress(broker, admin, "922334455") == [("new", "+56922334455")]


@pytest.mark.parametrize(
    ("kind", "channel", "purpose", "stands"),
    [
        ("granted", "*", "all", False),
        ("granted", "*", "marketing", False),
        ("granted", "call", "marketing", False),
        ("granted", "email", "marketing", True),
        ("revoked", "call", "marketing", False),
    ],
)
def test_list_shows_what_stands(broker: Broker, kind: str, channel: str, purpose: str, stands: bool) -> None:
    address = {"address": "+56922334455", "broker": broker, "source": "x", "now": NOW}
    record_permission(kind="revoked", channel="call", **address)  # type: ignore[arg-type]
    first = ContactPermission.objects.get()
    record_permission(kind=kind, channel=channel, purpose=purpose, **address)  # type: ignore[arg-type]
    assert Suppression.objects.standing().filter(pk=first.pk).exists() == stands


def test_what_was_played_on_the_sandbox_is_not_listed(broker: Broker) -> None:
    record_permission(
        broker=broker, address="4711", kind="revoked", source="keyword", evidence={"sandbox": True}, now=NOW
    )
    assert listed() == set()


def test_list_costs_as_many_statements_with_thirty_addresses_as_with_one(broker: Broker, admin: User) -> None:
    def statements(*lines: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            suppress(broker, admin, *lines)
        return len(queries)

    many = [f"9223344{number}" for number in range(10, 40)]
    assert statements("922334450") == statements(*many)


def test_list_that_is_too_long_is_refused(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        preview_suppression(broker=broker, text="1\n" * 20_001, reach="*", purpose="marketing")
    assert refused.value.reason == "list_too_long"


def test_one_address_is_added_by_its_form(browser: Client, admin: User) -> None:
    url = admin_url(Suppression, "add")
    answer = saved(browser, url, address="9 2233 4455", reach="*", source="told by phone", wording="Never again")
    assert answer.status_code == 302
    row = ContactPermission.objects.get()
    assert (row.address, row.channel, row.source, row.wording) == ("+56922334455", "*", "told by phone", "Never again")
    assert (row.broker, row.evidence["by"]) == (admin.broker, admin.username)


@pytest.mark.parametrize(
    ("fields", "field"), [({"address": "12"}, "address"), ({"address": ""}, "address"), ({"source": ""}, "source")]
)
def test_form_says_what_is_wrong(browser: Client, fields: dict[str, str], field: str) -> None:
    given = {"address": "9 2233 4455", "reach": "*", "source": "x"} | fields
    assert list(errors(saved(browser, admin_url(Suppression, "add"), **given))) == [field]
    assert not ContactPermission.objects.exists()


@pytest.mark.parametrize("text", ["zz", "Ana Pérez", "922334455\n922334456", "phone\n922334455", "\n;;\n,"])
def test_what_is_no_single_address_is_said_with_its_text(browser: Client, text: str) -> None:
    answer = saved(browser, admin_url(Suppression, "add"), address=text, reach="*", source="x")
    assert errors(answer) == {"address": [f"{text.strip()}: is no address of this kind"]}
    assert not ContactPermission.objects.exists()


def test_form_says_that_an_address_is_on_the_list(browser: Client, broker: Broker, admin: User) -> None:
    suppress(broker, admin, "922334455", reach="*")
    answer = saved(browser, admin_url(Suppression, "add"), address="922334455", reach="*", source="x")
    assert errors(answer) == {"address": ["+56922334455: is on the list already"]}


def test_many_are_shown_before_they_are_added(browser: Client) -> None:
    given = {**GIVEN, "lines": "922334455\n12\n922334455"}
    page = browser.post(MANY, given).content.decode()
    assert [text in page for text in ("will be added", "has 2 digits", "stands further up in this list")] == [True] * 3
    assert not ContactPermission.objects.exists()
    assert said(browser.post(MANY, {**given, "confirmed": "yes"}, follow=True)) == ["1 address was added."]
    assert listed() == {("+56922334455", "call"), ("+56922334455", "whatsapp")}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_many_come_from_a_file(browser: Client, encoding: str) -> None:
    file = SimpleUploadedFile("rechazo.csv", "Teléfono;Año\n922334455;2026".encode(encoding))
    page = browser.post(MANY, {**GIVEN, "file": file}).content.decode()
    assert ("Teléfono; Año" in page, "+56922334455" in page) == (True, True)


def test_nothing_to_add_is_said(browser: Client) -> None:
    assert errors(browser.post(MANY, GIVEN)) == {"lines": ["Paste some addresses, or choose a file."]}
    assert "nothing will be added" in browser.post(MANY, {**GIVEN, "lines": "x"}).content.decode()


def test_address_leaves_the_list_by_a_consent_only(browser: Client, broker: Broker, admin: User) -> None:
    suppress(broker, admin, "922334455", reach="*")
    row = Suppression.objects.get()
    url = admin_url(Suppression, "release", row.pk)
    refused = browser.post(url, {"way": "told_by_phone", "wording": ""})
    assert errors(refused) == {"wording": ["This field is required."]}
    assert browser.post(url, {"way": "told_by_phone", "wording": "Sí, escríbanme"}).status_code == 302
    assert listed() == set()
    given = ContactPermission.objects.latest("id")
    assert (given.kind, given.wording, given.source) == ("granted", "Sí, escríbanme", "told_by_phone")
    assert given.evidence == {"by": admin.username, "ends": row.pk}
    assert ContactPermission.objects.filter(pk=row.pk).exists()


def test_nothing_is_changed_or_deleted(browser: Client, broker: Broker, admin: User) -> None:
    suppress(broker, admin, "922334455", reach="*")
    row = Suppression.objects.get()
    assert browser.post(admin_url(Suppression, "change", row.pk), {"address": "x"}).status_code == 403
    assert browser.post(admin_url(Suppression, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert "delete_selected" not in browser.get(admin_url(Suppression, "changelist")).content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=9 2233 4455", {"+56922334455"}),
        ("q=ana@", {"ana@example.com"}),
        ("source=REPEP", {"ana@example.com"}),
        ("channel=call", {"+56922334455"}),
        ("", {"+56922334455", "ana@example.com"}),
    ],
)
def test_list_is_searched_and_filtered(
    browser: Client, broker: Broker, admin: User, query: str, found: set[str]
) -> None:
    suppress(broker, admin, "922334455", reach="call")
    suppress(broker, admin, "ana@example.com", reach="email", source="REPEP")
    answer = browser.get(f"{admin_url(Suppression, 'changelist')}?{query}")
    assert {row.address for row in answer.context["cl"].result_list} == found


def test_each_brokerage_sees_its_own(browser: Client, other_broker: Broker, outsider: User) -> None:
    """failures.md row 33, for consent."""
    suppress(other_broker, outsider, "922334455", reach="*", source="their own list")
    page = browser.get(admin_url(Suppression, "changelist")).content.decode()
    assert ("+56922334455" in page, "their own list" in page) == (False, False)
    row = Suppression.objects.get()
    assert browser.get(admin_url(Suppression, "release", row.pk)).status_code == 404
    assert "will be added" in browser.post(MANY, {**GIVEN, "lines": "922334455"}).content.decode()


def test_agents_do_not_work_on_the_list(agent: User) -> None:
    assert [signed_in(agent).get(url).status_code for url in (MANY, admin_url(Suppression, "add"))] == [302, 302]


def test_operator_says_for_which_brokerage(operator: User, broker: Broker) -> None:
    browser = signed_in(operator)
    assert errors(browser.post(MANY, {**GIVEN, "lines": "922334455"})) == {"broker": ["This field is required."]}
    given = {**GIVEN, "lines": "922334455", "broker": broker.pk, "confirmed": "yes"}
    assert said(browser.post(MANY, given, follow=True)) == ["1 address was added."]
    assert {row.broker for row in ContactPermission.objects.all()} == {broker}


def lead_page(browser: Client, lead: Lead) -> str:
    return browser.get(admin_url(Lead, "change", lead.pk)).content.decode()


@pytest.mark.parametrize(("verb", "kind"), [("consent", "granted"), ("opt_out", "revoked")])
def test_what_a_lead_told_by_phone_is_recorded(browser: Client, lead: Lead, admin: User, verb: str, kind: str) -> None:
    given = {"channel": "call", "purpose": "marketing", "way": "told_by_phone", "wording": "Ya, está bien"}
    url = admin_url(Lead, verb, lead.pk)
    assert browser.post(url, {**given, "at": "2026-01-05T10:00"}).status_code == 302
    row = ContactPermission.objects.get()
    assert (row.lead, row.kind, row.channel, row.source, row.wording) == (
        lead, kind, "call", "told_by_phone", "Ya, está bien",
    )  # fmt: skip
    assert (row.evidence, row.at.isoformat()) == ({"by": admin.username}, "2026-01-05T13:00:00+00:00")
    assert "Ya, está bien" in lead_page(browser, lead)


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"wording": ""}, {"wording": ["This field is required."]}),
        ({"at": "2126-01-05T10:00"}, {"at": ["This lies in the future; give the moment at which it was said."]}),
    ],
)
def test_consent_without_proof_or_from_the_future_is_refused(
    browser: Client, lead: Lead, fields: dict[str, str], faults: dict[str, list[str]]
) -> None:
    given = {"channel": "*", "purpose": "marketing", "way": "told_by_phone", "wording": "Sí"} | fields
    assert errors(browser.post(admin_url(Lead, "consent", lead.pk), given)) == faults
    assert not ContactPermission.objects.exists()


def test_leads_page_shows_what_was_said_the_newest_first(browser: Client, broker: Broker, lead: Lead) -> None:
    """Also what was said of its address before it was a lead."""
    record_permission(broker=broker, address=lead.phone, kind="revoked", source="<REPEP>", now=NOW)
    record_permission(broker=broker, lead=lead, kind="granted", source="the fair", wording="<b>Sí</b>", now=NOW + DAY)
    page = lead_page(browser, lead)
    assert 0 < page.index("the fair") < page.index("&lt;REPEP&gt;")
    assert "&lt;b&gt;Sí&lt;/b&gt;" in page


def test_leads_page_has_an_empty_state(browser: Client, broker: Broker) -> None:
    assert "Nothing yet." in lead_page(browser, a_lead(broker))
