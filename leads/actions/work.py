"""What people write about a lead."""

from datetime import datetime

from django.db import transaction

from brokers.models import User
from leads.actions.standing import after_fact_change, locked
from leads.models import Lead, Note


@transaction.atomic
def write_note(*, lead: Lead, text: str, now: datetime, by: User | None) -> Note:
    """Keep what a person says about a lead; somebody is working on them, which is a sign of life."""
    locked(lead)
    note = Note.objects.create(broker_id=lead.broker_id, lead=lead, author=by, text=text, at=now)
    Lead.objects.filter(pk=lead.pk).update(last_activity_at=now, updated_at=now)
    after_fact_change(lead=lead, now=now, cause="note")
    return note
