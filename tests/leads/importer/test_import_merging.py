"""Which lead a line belongs to, and what it changes there. docs/domain.md, "CSV files that really arrive"."""

from decimal import Decimal

import pytest

from leads.importer.merging import MAILBOX_LIMIT
from leads.models import Inquiry, Lead, ScoreChange
from tests.leads.importer.importing import Folder, a_broker, counts, sense_of, the_lead

PHONE, OTHER_PHONE = "987654321", "987654322"
EMAIL, OTHER_EMAIL = "ana@example.com", "eva@example.com"


def addresses() -> list[tuple[str, str]]:
    return list(Lead.objects.order_by("id").values_list("phone", "email"))


@pytest.mark.parametrize("batch_size", [1, 5000])
@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize(
    ("first", "second", "leads"),
    [
        # the same phone is the same lead, whatever the e-mail
        ((PHONE, ""), (PHONE, ""), [("+56987654321", "")]),
        ((PHONE, EMAIL), (PHONE, OTHER_EMAIL), [("+56987654321", EMAIL)]),
        ((PHONE, ""), ("+56 9 8765 4321", EMAIL), [("+56987654321", EMAIL)]),
        # the same e-mail only when one of the two has no phone
        (("", EMAIL), ("", EMAIL), [("", EMAIL)]),
        (("", EMAIL), (PHONE, EMAIL.upper()), [("+56987654321", EMAIL)]),
        ((PHONE, EMAIL), ("", EMAIL), [("+56987654321", EMAIL)]),
        ((PHONE, EMAIL), (OTHER_PHONE, EMAIL), [("+56987654321", EMAIL), ("+56987654322", EMAIL)]),
        # nothing in common
        ((PHONE, EMAIL), (OTHER_PHONE, OTHER_EMAIL), [("+56987654321", EMAIL), ("+56987654322", OTHER_EMAIL)]),
        ((PHONE, ""), ("", EMAIL), [("+56987654321", ""), ("", EMAIL)]),
    ],
)
def test_lines_are_one_lead_or_two(
    folder: Folder, batch_size: int, files: int, first: tuple[str, str], second: tuple[str, str], leads: list[object]
) -> None:
    """failures.md row 29, in one file, across its batches and across files alike."""
    lines = [f"Ana;{';'.join(first)};Macul;;;", f"Ana;{';'.join(second)};Maipú;;;"]
    if files == 1:
        folder.take_in(*lines, batch_size=batch_size)
    else:
        folder.take_in(lines[0], name="1.csv")
        folder.take_in(lines[1], name="2.csv")
    assert addresses() == leads
    assert Inquiry.objects.count() == 2


def test_line_about_a_lead_of_the_same_file_is_merged(folder: Folder) -> None:
    report = folder.take_in(f"Ana;{PHONE};;;;;a", f"Ana;{PHONE};;;;;b")
    assert counts(report) == {"created": 1, "merged": 1}


def test_line_about_a_lead_known_before_is_an_update(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};;;;;a")
    assert counts(folder.take_in(f"Ana;{PHONE};;;;;b", f"Ana;{PHONE};;;;;c", name="2.csv")) == {"updated": 2}


def test_another_name_is_kept_with_the_inquiry_and_reported(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};{EMAIL};;;;")
    report = folder.take_in(f"Berta;{PHONE};{OTHER_EMAIL};;;;", name="2.csv")
    assert (the_lead().name, the_lead().email) == ("Ana", EMAIL)
    assert Inquiry.objects.latest("id").raw["Nombre"] == "Berta"
    assert report.remarks == {
        ("name", "is another name than the lead's, which stays as it is"): (1, 2),
        ("email", "is another email than the lead's, which stays as it is"): (1, 2),
    }


def test_line_fills_what_is_empty_and_unites_tags(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};;Macul;;vip;")
    before = the_lead()
    folder.take_in(f"Ana;{PHONE};{EMAIL};Maipú;85 MM;VIP,uf;llamar", name="2.csv")
    lead = the_lead()
    assert (lead.email, lead.location, lead.budget_amount) == (EMAIL, "Macul", Decimal(85_000_000))
    assert (lead.metadata, lead.tags) == ({"location": "Macul", "budget": "85 MM"}, ["vip", "uf"])
    assert (lead.notes, Inquiry.objects.latest("id").text) == ("llamar", "llamar")
    assert lead.lead_score == before.lead_score + 15  # e-mail 5, budget 10
    changes = ScoreChange.objects.order_by("id").values_list("from_score", "to_score", "cause")
    assert list(changes) == [
        (None, before.lead_score, "import"),
        (before.lead_score, lead.lead_score, "import"),
    ]
    first, second = before.created_at.isoformat(), lead.updated_at.isoformat()
    assert {name: stamp["at"] for name, stamp in lead.field_sources.items()} == {
        **dict.fromkeys(("name", "phone", "location"), first),
        **dict.fromkeys(("email", "notes", "budget_amount"), second),
    }


def test_line_that_tells_nothing_new_is_still_a_sign_of_life(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};;;;;a")
    before = the_lead()
    folder.take_in(f"Ana;{PHONE};;;;;b", name="2.csv")
    assert the_lead().last_activity_at > before.last_activity_at
    assert ScoreChange.objects.count() == 1


def test_budget_said_before_is_not_joined_by_another_amount(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};;;3.000 UF;;")
    folder.take_in(f"Ana;{PHONE};;;85 MM;;", name="2.csv")
    assert (the_lead().metadata["budget"], the_lead().budget_amount) == ("3.000 UF", None)


def test_same_mailbox_and_two_phones_are_marked_on_both(folder: Folder) -> None:
    report = folder.take_in(f"Ana;{PHONE};{EMAIL};;;;", f"Luis;{OTHER_PHONE};{EMAIL};;;;")
    ana, luis = Lead.objects.order_by("id")
    assert counts(report) == {"created": 2, "duplicates": 1}
    assert ana.metadata == {"possible_duplicates": [luis.pk]}
    assert luis.metadata == {"possible_duplicates": [ana.pk]}


def test_same_mailbox_as_a_lead_known_before_is_marked_on_both(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};{EMAIL};;;;")
    report = folder.take_in(f"Luis;{OTHER_PHONE};{EMAIL};;;;", name="2.csv")
    ana, luis = Lead.objects.order_by("id")
    assert counts(report) == {"created": 1, "duplicates": 1}
    assert ana.metadata["possible_duplicates"] == [luis.pk]
    assert luis.metadata["possible_duplicates"] == [ana.pk]


def test_same_mailbox_is_marked_once(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};{EMAIL};;;;", f"Luis;{OTHER_PHONE};{EMAIL};;;;")
    report = folder.take_in(f"Ana;{PHONE};{EMAIL};;;;a", f"Luis;{OTHER_PHONE};{EMAIL};;;;b", name="2.csv")
    assert counts(report) == {"updated": 2}


def test_email_alone_goes_to_the_person_of_that_name(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};{EMAIL};;;;", f"Luis;{OTHER_PHONE};{EMAIL};;;;")
    folder.take_in(f"LUIS;;{EMAIL};;;;hola", name="2.csv")
    assert Inquiry.objects.latest("id").lead.name == "Luis"


def test_two_leads_that_turn_out_to_share_a_mailbox_are_marked(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};;;;;", f"Ana;;{EMAIL};;;;")
    report = folder.take_in(f"Ana;{PHONE};{EMAIL};;;;", name="2.csv")
    one, two = Lead.objects.order_by("id")
    assert counts(report) == {"updated": 1, "duplicates": 1}
    assert (one.metadata["possible_duplicates"], two.metadata["possible_duplicates"]) == ([two.pk], [one.pk])


@pytest.mark.parametrize("batch_size", [7, 5000])
def test_mailbox_of_an_office_marks_nobody_further(folder: Folder, batch_size: int) -> None:
    lines = [f"Ana {n};98765{n:04d};{EMAIL};;;;" for n in range(60)]
    report = folder.take_in(*lines, batch_size=batch_size)
    assert (report.created, report.duplicates) == (60, MAILBOX_LIMIT - 2)
    assert max(len(lead.metadata.get("possible_duplicates", [])) for lead in Lead.objects.all()) < MAILBOX_LIMIT


def test_same_telegram_chat_is_the_same_lead(folder: Folder) -> None:
    header = "Nombre;Teléfono;Telegram ID"
    folder.take_in("Ana;;123456789", header=header)
    folder.take_in(f"Ana;{PHONE};123456789", header=header, name="2.csv")
    assert addresses() == [("+56987654321", "")]


def test_telegram_chat_of_somebody_else_is_not_taken(folder: Folder) -> None:
    header = "Nombre;Teléfono;Telegram ID"
    folder.take_in("Ana;;123456789", f"Luis;{PHONE};", header=header)
    folder.take_in(f"Luis;{PHONE};123456789", header=header, name="2.csv")
    assert the_lead(name="Luis").telegram_chat_id == ""


def test_deleted_lead_is_not_matched(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};{EMAIL};;;;a")
    Lead.objects.update(deleted_at=folder.clock())
    assert counts(folder.take_in(f"Ana;{PHONE};{EMAIL};;;;b", name="2.csv")) == {"created": 1}
    assert Lead.objects.present().count() == 1


def test_deleted_lead_does_not_come_back_with_its_old_line(folder: Folder) -> None:
    folder.take_in(f"Ana;{PHONE};;;;;a")
    Lead.objects.update(deleted_at=folder.clock())
    assert counts(folder.take_in(f"Ana;{PHONE};;;;;a", "Eva;1;;;;;", name="2.csv")) == {"unchanged": 1, "refused": 1}
    assert Lead.objects.present().count() == 0


def test_record_of_a_source_that_says_more_is_no_new_inquiry(folder: Folder) -> None:
    header = "Record ID;First Name;Phone Number;Email;Lead Status;Create Date"
    folder.take_in(f"71;Ana;{PHONE};;New;2026-01-02", header=header)
    before = the_lead()
    report = folder.take_in(f"71;Ana;{PHONE};{EMAIL};Open;2026-01-02", header=header, name="2.csv")
    assert (counts(report), Inquiry.objects.count()) == ({"updated": 1}, 1)
    assert (the_lead().email, the_lead().last_activity_at) == (EMAIL, before.last_activity_at)
    again = folder.take_in(f"71;Ana;{PHONE};{EMAIL};Won;2026-01-02", header=header, name="3.csv")
    assert counts(again) == {"unchanged": 1}


def test_record_of_a_source_keeps_its_lead_when_the_phone_changes(folder: Folder) -> None:
    header = "Record ID;First Name;Phone Number;Email;Lead Status;Create Date"
    folder.take_in(f"71;Ana;{PHONE};{EMAIL};New;2026-01-02", header=header)
    report = folder.take_in(f"71;Ana;{OTHER_PHONE};{EMAIL};New;2026-01-02", header=header, name="2.csv")
    assert (addresses(), counts(report)) == ([("+56987654321", EMAIL)], {"unchanged": 1})
    assert [key for key, _ in report.remarks] == ["phone"]


def test_spreadsheets_that_both_count_from_one_lose_nobody(folder: Folder) -> None:
    folder.take_in(f"1;Ana;{PHONE}", header="ID;Nombre;Teléfono")
    second = {"header": "ID;Nombre;Teléfono", "name": "2.csv"}
    assert counts(folder.take_in(f"1;Eva;{OTHER_PHONE}", **second)) == {"created": 1}
    assert counts(folder.take_in(f"1;Eva;{OTHER_PHONE}", "", **second)) == {"unchanged": 1}
    assert Lead.objects.count() == 2


def test_lines_stay_inside_their_broker(folder: Folder) -> None:
    """Two brokers with equal data: the second import finds nobody, and touches nobody, of the first."""
    lines = [f"Ana;{PHONE};{EMAIL};;;;", f"Luis;{OTHER_PHONE};{EMAIL};;;;", f"Ana;{PHONE};;Macul;;;x", "Mal;1;;;;;"]
    here = counts(folder.take_in(*lines))
    before = sense_of(folder.broker)
    other = a_broker("boreal")
    there = counts(folder.take_in(*lines, broker=other))
    assert here == there == {"created": 2, "merged": 1, "duplicates": 1, "refused": 1}
    assert sense_of(other) == sense_of(folder.broker) == before
    assert Inquiry.objects.exclude(lead__broker=other).filter(broker=other).count() == 0
