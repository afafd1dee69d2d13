"""Brokerages that own one row of everything, with the same values but for a word that marks whose they are."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db.models import Model

from brokers.models import ApiKey, Broker, OutboxEvent, Platform, Role, User
from campaigns.models import (
    Campaign,
    CampaignLog,
    CampaignStep,
    CampaignVersion,
    Enrollment,
    Sweep,
    UnknownOutcome,
)
from leads.models import (
    Absence,
    Appointment,
    Assignment,
    Availability,
    Calendar,
    ContactPermission,
    ImportBatch,
    Inquiry,
    Lead,
    MergeRecord,
    NotDuplicate,
    Note,
    Notice,
    Offer,
    OtherAddress,
    RoutingAgent,
    RoutingRule,
    RoutingSettings,
    ScoreChange,
    SpeedClock,
    StageTransition,
    Suppression,
    Task,
    WorkingHours,
)
from messaging.models import ChannelAccount, Message, WebhookEvent
from templates_app.models import MessageTemplate
from voice.models import CallTranscript, VoiceCall

ROOMS = ("brokers", "leads", "templates_app", "messaging", "voice", "campaigns")
NOW = datetime(2026, 11, 4, 15, tzinfo=UTC)


def room_models() -> list[type[Model]]:
    """All but the platform's one row, which belongs to nobody."""
    return [model for room in ROOMS for model in apps.get_app_config(room).get_models() if model is not Platform]


class Brokerage:
    """`rows` holds the rows by model, `mark` the word that all their texts carry."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.rows: dict[type[Model], list[Any]] = {}
        self.broker = self._add(Broker, name=mark, slug=mark, created_at=NOW)
        self.admin = self._add(User, username=f"admin-{mark}", broker=self.broker, role=Role.ADMIN, is_staff=True)
        self._add(Sweep, broker=self.broker, swept_to=NOW)
        self.add_one_of_each()

    def one(self, model: type[Model]) -> Any:
        return self.rows[model][-1]

    def text(self, what: str) -> str:
        return f"{what}-{self.mark}-{len(self.rows[User])}"

    def _add(self, model: type[Model], **values: Any) -> Any:
        row = model(**values)
        row.save(force_insert=True)
        self.rows.setdefault(model, []).append(row)
        return row

    def _own(self, model: type[Model], **values: Any) -> Any:
        return self._add(model, broker=self.broker, **values)

    def add_one_of_each(self) -> None:
        self.agent = self._own(User, username=self.text("agent"), first_name=self.text("Luis"))
        self._own(ApiKey, name=self.text("key"), prefix=self.mark, digest=self.text("d"), created_at=NOW)
        self._own(OutboxEvent, kind=self.text("event"), payload={}, created_at=NOW, due_at=NOW)
        self._add_lead()
        self._add_work()
        self._add_messages()
        self._add_campaign()

    def _add_lead(self) -> None:
        batch = self._own(ImportBatch, file=self.text("file.csv"), sha256="0" * 64, at=NOW, by=self.admin)
        number = len(self.rows[User])
        self.lead = self._own(Lead, **self._of_lead("Ana", f"+5698765{number:04d}"), import_batch=batch)
        # Gone, so that no list of leads shows them.
        other = Lead(broker=self.broker, deleted_at=NOW, **self._of_lead("Eva", f"+5698766{number:04d}"))
        other.save(force_insert=True)
        self._own(MergeRecord, into=self.lead, gone=other, by=self.admin, at=NOW, undone_at=NOW)
        self._own(NotDuplicate, first=self.lead, second=other, by=self.admin, at=NOW)
        self._own(OtherAddress, lead=self.lead, kind="email", address=f"{self.text('old')}@example.com")
        of_lead = {"lead": self.lead, "at": NOW}
        self._own(StageTransition, to_stage="entrada", cause="arrival", reason=self.text("why"), **of_lead)
        self._own(ScoreChange, to_score=5, cause="arrival", **of_lead)
        self._own(Inquiry, source=self.text("portal"), property_ref=self.text("flat"), **of_lead)
        self._own(Assignment, to_user=self.agent, cause="person", rule=self.text("rule"), by=self.admin, **of_lead)
        self._own(ContactPermission, kind="granted", source=self.text("form"), **of_lead)
        blocked = {"address": f"{self.text('blocked')}@example.com", "source": self.text("list")}
        self.rows[ContactPermission].insert(0, self._own(Suppression, kind="revoked", at=NOW, **blocked))
        self._own(Note, author=self.agent, text=self.text("note"), **of_lead)

    def _of_lead(self, name: str, phone: str) -> dict[str, Any]:
        return {
            "name": self.text(name),
            "phone": phone,
            "email": f"{self.text(name.lower())}@example.com",
            "location": self.text("place"),
            "assigned_to": self.agent,
            "created_at": NOW,
            "updated_at": NOW,
            "stage_entered_at": NOW,
            "last_activity_at": NOW,
        }

    def _add_work(self) -> None:
        self._own(Task, lead=self.lead, assignee=self.agent, title=self.text("task"), due_at=NOW)
        starts_at = NOW + timedelta(days=1)
        times = {"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=1), "booked_at": NOW}
        self._own(
            Appointment,
            lead=self.lead,
            agent=self.agent,
            status="scheduled",
            location=self.text("office"),
            created_at=NOW,
            **times,
        )
        self._add_routing()
        calendar = self._own(Calendar, agent=self.agent, feed_token=self.text("feed"))
        self._own(Availability, calendar=calendar, kind="weekly", weekday=1, opens="09:00", closes="18:00")

    def _add_routing(self) -> None:
        if RoutingSettings not in self.rows:
            self._own(RoutingSettings, default_agent=self.agent)
        rule = self._own(RoutingRule, name=self.text("east"), conditions={"source": ["portal"]}, created_at=NOW)
        self._own(RoutingAgent, rule=rule, agent=self.agent)
        self._own(WorkingHours, agent=self.agent)
        self._own(Absence, agent=self.agent, starts_at=NOW, ends_at=NOW + timedelta(days=1), reason=self.text("sea"))
        self._own(Offer, lead=self.lead, agent=self.agent, rule=rule, offered_at=NOW, expires_at=NOW)
        self._own(SpeedClock, lead=self.lead, started_at=NOW, due_at=NOW)
        self._own(
            Notice, user=self.admin, key=self.text("n"), subject=self.text("hot"), body=self.text("b"), created_at=NOW
        )

    def _add_messages(self) -> None:
        self.template = self._own(
            MessageTemplate, name=self.text("hello"), channel="telegram", content="Hola {{first_name|amigo}}"
        )
        account = self._own(
            ChannelAccount,
            channel="telegram",
            provider="sandbox",
            sandbox=True,
            is_default=ChannelAccount not in self.rows,
            name=self.text("account"),
            credentials={"secret": self.text("secret")},
            created_at=NOW,
        )
        self.message = self._own(
            Message,
            lead=self.lead,
            channel="call",
            direction="out",
            account=account,
            template=self.template,
            body=self.text("text"),
            subject=self.text("subject"),
            dedupe_key=self.text("step"),
            sent_by=self.admin,
            created_at=NOW,
        )
        self._own(WebhookEvent, account=account, event_id=self.text("e"), payload={"a": self.mark}, received_at=NOW)
        call = self._own(VoiceCall, message=self.message, lead=self.lead, phone_number=self.lead.phone, started_at=NOW)
        self._own(CallTranscript, call=call, position=1, speaker="bot", text=self.text("hello"), timestamp=0)

    def _add_campaign(self) -> None:
        campaign = self._own(
            Campaign, name=self.text("welcome"), channel="telegram", created_by=self.admin, created_at=NOW
        )
        self._own(
            CampaignVersion,
            campaign=campaign,
            number=1,
            settings={},
            fingerprint="0" * 64,
            approved_by=self.admin,
            at=NOW,
        )
        step = self._own(
            CampaignStep,
            campaign=campaign,
            step_number=1,
            message_template=self.template,
            delay_hours=Decimal(0),
        )
        enrollment = self._own(
            Enrollment,
            campaign=campaign,
            version=1,
            lead=self.lead,
            trigger="manual",
            status="active",
            enrolled_at=NOW,
        )
        log = {
            "enrollment": enrollment,
            "campaign": campaign,
            "lead": self.lead,
            "step": step,
            "action": "send_message",
            "message": self.message,
            "planned_at": NOW,
            "due_at": NOW,
            "created_at": NOW,
        }
        self._own(CampaignLog, step_number=1, **log)
        unknown = {"status": "failed", "reason": "outcome_unknown", "executed_at": NOW}
        row = self._own(UnknownOutcome, step_number=2, **log, **unknown)
        self.rows[CampaignLog].append(CampaignLog.objects.get(pk=row.pk))
