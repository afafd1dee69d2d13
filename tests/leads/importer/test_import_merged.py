"""An import finds whom a merge kept."""

from brokers.models import Broker
from leads.actions import merge_leads, record_inquiry
from leads.models import Inquiry, Lead
from tests.leads.importer.importing import START, Folder, counts, the_lead

META = "id;full_name;phone_number;email"


def merged(into: str, gone: str) -> Lead:
    kept = the_lead(phone=into)
    merge_leads(into=kept, from_=the_lead(phone=gone), now=START)
    return kept


def test_old_phone_of_a_merged_lead_matches_the_one_who_was_kept(folder: Folder) -> None:
    """failures.md row 29."""
    folder.take_in("Ana;987654321;;;;;", "Ana S;987654322;;;;;")
    kept = merged("+56987654321", "+56987654322")
    assert counts(folder.take_in("Ana;987654322;;Lota;;;", name="again.csv")) == {"updated": 1}
    kept.refresh_from_db()
    assert (kept.location, kept.inquiries.count(), Lead.objects.present().count()) == ("Lota", 3, 1)


def test_same_file_again_changes_nothing_after_a_merge(folder: Folder) -> None:
    lines = ("a;Ana;p:+56987654321;", "b;Ana S;p:+56987654322;")
    folder.take_in(*lines, header=META)
    merged("+56987654321", "+56987654322")
    again = folder.take_in(*lines, "c;Eva;p:+56987654323;", header=META, name="again.csv")
    assert (counts(again), Inquiry.objects.count()) == ({"created": 1, "unchanged": 2}, 3)


def test_old_mailbox_of_a_merged_lead_matches_where_the_line_has_no_phone(folder: Folder) -> None:
    folder.take_in("Ana;987654321;ana@example.com;;;;", "Ana S;987654322;old@example.com;;;;")
    kept = merged("+56987654321", "+56987654322")
    folder.take_in("Ana;;old@example.com;Lota;;;", name="again.csv")
    kept.refresh_from_db()
    assert (kept.location, Lead.objects.present().count()) == ("Lota", 1)


def test_known_lead_in_a_file_has_asked_last_when_it_came(folder: Folder, broker: Broker) -> None:
    folder.take_in("Ana;987654321;;;;;")
    lead = the_lead(phone="+56987654321")
    first = lead.last_inquiry_at
    folder.take_in("Ana;987654321;;;;;", name="same.csv")
    folder.take_in("Ana;987654321;;Lota;;;", name="again.csv")
    lead.refresh_from_db()
    newest = lead.inquiries.latest("at").at
    assert (first is not None, lead.last_inquiry_at, newest == first) == (True, newest, False)
    assert record_inquiry(lead=lead, now=newest, source="x", text="x")
