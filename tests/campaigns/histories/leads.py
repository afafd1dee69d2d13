"""What happens to leads."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from leads import actions as leads
from leads.models import Appointment, Lead, MergeRecord
from messaging.models import ChannelAccount
from tests.building import DAY, HOUR
from tests.campaigns.histories import stories
from tests.campaigns.histories.base import Base, happening, has_leads, has_some_leads, said_of
from tests.campaigns.histories.stage import provide
from tests.campaigns.reference import leads as plain_leads
from tests.campaigns.reference import merging
from tests.campaigns.reference import world as plain


class LeadHistories(Base):
    @happening(lead=stories.leads, number=stories.numbers)
    def create_lead_who_enters(self, lead: dict[str, Any], number: int) -> None:
        self.create_lead(lead)
        self.enroll(then=None, number=number, chosen=[-1])

    def create_lead(self, lead: dict[str, Any]) -> None:
        self.born += 1
        addresses = {
            "phone": f"+5698{self.born:06d}{lead['digit']}" if lead["digit"] else "",
            "email": f"lead{self.born}@example.com" if lead["has_email"] else "",
            "telegram": str(100_000 + self.born) if lead["has_telegram"] else "",
        }
        self.world.words |= {addresses[kind]: lead["words"][kind] for kind in addresses if addresses[kind]}
        script = {address: words for address, words in self.world.words.items() if words != ["accept"]}
        provide(ChannelAccount.objects.exclude(channel="call"), self.stage.sent_file, script)
        self.arrive(lead, addresses)

    def arrive(self, lead: dict[str, Any], addresses: dict[str, str]) -> None:
        row = leads.create_lead(
            broker=self.broker,
            now=self.now,
            name=lead["name"],
            phone=addresses["phone"],
            email=addresses["email"],
            telegram_chat_id=addresses["telegram"],
            location=lead["location"],
            timezone=lead["timezone"],
            treatment_type=lead["treatment"],
            income_amount=lead["income"],
            assigned_to=self.stage.agent if lead["has_agent"] else None,
            stage=lead["stage"],
        )
        facts = {
            key: lead[key] for key in ("name", "location", "timezone", "treatment", "income", "has_agent", "stage")
        }
        plain_leads.bear(self.world, plain.Lead(id=row.pk, addresses=addresses, active_at=self.now, **facts))

    @precondition(lambda self: any(is_gone(lead) for lead in self.world.leads.values()))
    @happening(number=stories.numbers, lead=stories.leads)
    def come_again(self, number: int, lead: dict[str, Any]) -> None:
        """With the addresses of one who was deleted."""
        gone = [one for one in self.world.leads.values() if is_gone(one)]
        addresses = gone[number % len(gone)].addresses
        taken = [one for other in self.world.leads.values() if not is_gone(other) for one in other.addresses.values()]
        if not {*addresses.values()} & {*taken} - {""}:
            self.arrive(lead, addresses)

    @precondition(has_leads)
    @happening(number=stories.numbers)
    def reply(self, number: int) -> None:
        row, lead = self.lead(number)
        leads.record_inbound(lead=row, now=self.now, answers=None)
        plain_leads.reply(self.world, lead)

    @precondition(has_leads)
    @happening(
        number=stories.numbers,
        channel=stories.one_of("*", "*", "telegram", "email", "whatsapp", "call"),
        purpose=stories.one_of("marketing", "all"),
        kind=stories.one_of("revoked", "revoked", "granted"),
    )
    def say_permission(self, number: int, channel: str, purpose: str, kind: str) -> None:
        row, lead = self.lead(number)
        leads.record_permission(
            broker=self.broker, lead=row, kind=kind, channel=channel, purpose=purpose, now=self.now, source="test"
        )
        plain_leads.permit(self.world, lead, channel=channel, purpose=purpose, is_revoked=kind == "revoked")

    @precondition(has_leads)
    @happening(number=stories.numbers, to=stories.stages, cause=stories.one_of("agent", "agent", "correction"))
    def move_stage(self, number: int, to: str, cause: str) -> None:
        row, lead = self.lead(number)
        by = self.stage.agent if cause == "correction" else None
        said = said_of(leads.move_stage, lead=row, to=to, now=self.now, cause=cause, by=by, reason="otro")
        is_moved = plain_leads.move(self.world, lead, to, cause)
        assert (said in ("", "stage_not_allowed"), said == "") == (True, is_moved)

    @precondition(has_leads)
    @happening(number=stories.numbers)
    def book(self, number: int) -> None:
        row, lead = self.lead(number)
        if lead.has_agent:
            self.meetings += 1
            appointment = leads.propose_appointment(lead=row, now=self.now)
            starts_at = self.now + 400 * DAY + self.meetings * HOUR
            ends_at = starts_at + HOUR
            leads.book_appointment(appointment=appointment, starts_at=starts_at, ends_at=ends_at, now=self.now)
            # What leads are told of meetings is no campaign's doing; tests/messaging/test_appointments.py has it.
            Appointment.objects.filter(pk=appointment.pk).update(notice_due_at=None)
            plain_leads.book(self.world, lead)

    @precondition(has_leads)
    @happening(
        number=stories.numbers,
        change=st.one_of(
            st.tuples(st.just("income"), stories.incomes),
            st.tuples(st.just("treatment"), stories.treatments),
            st.tuples(st.just("location"), stories.one_of("", "Lota")),
            st.tuples(st.just("has_agent"), st.booleans()),
        ),
    )
    def edit(self, number: int, change: tuple[str, Any]) -> None:
        """Also: the score changes, nobody may be contacted, an agent takes over."""
        row, lead = self.lead(number)
        key, value = change
        field = {"income": "income_amount", "treatment": "treatment_type", "has_agent": "assigned_to"}.get(key, key)
        told = (self.stage.agent if value else None) if key == "has_agent" else value
        leads.edit_lead(lead=row, now=self.now, by=None, **{field: told})
        plain_leads.edit(self.world, lead, **{key: value})

    @precondition(has_leads)
    @happening(number=stories.numbers, kind=stories.one_of("phone", "email", "telegram"), is_new=st.booleans())
    def edit_address(self, number: int, kind: str, is_new: bool) -> None:
        row, lead = self.lead(number)
        self.born += 1
        new = {"phone": f"+5698{self.born:06d}1", "email": f"new{self.born}@example.com", "telegram": f"9{self.born}"}
        address = new[kind] if is_new else ""
        field = "telegram_chat_id" if kind == "telegram" else kind
        leads.edit_lead(lead=row, now=self.now, by=None, **{field: address})
        plain_leads.readdress(self.world, lead, kind, address)

    @precondition(has_leads)
    @happening(number=stories.numbers)
    def answer_in_person(self, number: int) -> None:
        """Nothing writes this column yet."""
        row, lead = self.lead(number)
        Lead.objects.filter(pk=row.pk).update(last_answered_at=self.now)
        lead.answered_at = self.now

    @precondition(has_some_leads)
    @happening(number=stories.numbers)
    def delete(self, number: int) -> None:
        row, lead = self.lead(number)
        leads.delete_lead(lead=row, now=self.now)
        lead.is_deleted = True

    @precondition(has_some_leads)
    @happening(number=stories.numbers, other=stories.numbers, waits=st.none() | stories.waits)
    def merge(self, number: int, other: int, waits: tuple[int | None] | None) -> None:
        """Perhaps while something is being sent to them."""
        if waits:
            self.begin_batch(then=None, minutes=waits[0], is_committed=True)
        (row, into), (other_row, gone) = self.lead(number), self.lead(other)
        said = said_of(leads.merge_leads, into=row, from_=other_row, now=self.now)
        assert said == merging.merge(self.world, into, gone)

    @precondition(lambda self: self.world.merges)
    @happening(number=stories.numbers)
    def unmerge(self, number: int) -> None:
        """Preferably one that was not undone."""
        standing = [merge for merge in self.world.merges if not merge.is_undone] or self.world.merges
        chosen = standing[number % len(standing)]
        record = MergeRecord.objects.filter(into=chosen.into.id, gone=chosen.gone.id).latest("pk")
        said = said_of(leads.unmerge_leads, record=record, now=self.now)
        assert said == merging.unmerge(self.world, chosen)


def is_gone(lead: plain.Lead) -> bool:
    return lead.is_deleted and not lead.is_merged
