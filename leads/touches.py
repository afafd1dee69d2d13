"""How long new leads wait for a person: the set-based face of `hours.time_to_first_touch`."""

from datetime import datetime

from django.db.models import FloatField, QuerySet
from django.db.models.expressions import RawSQL

from brokers.models import Broker
from leads.actions.routing import routing_settings
from leads.hours import ruler, spans
from leads.models import Lead

# Seconds of work before a moment: those of whole spans, and the part of the one that it lies in (or has behind it).
_READ = """
coalesce((%s::float[])[width_bucket({moment}, %s::timestamptz[])]
         + least((%s::float[])[width_bucket({moment}, %s::timestamptz[])],
                 extract(epoch FROM {moment} - (%s::timestamptz[])[width_bucket({moment}, %s::timestamptz[])])), 0)
"""


def with_touch_seconds(leads: QuerySet[Lead], *, broker: Broker, since: datetime, until: datetime) -> QuerySet[Lead]:
    """A broker's leads that arrived in a period, each with `touch_seconds`: business seconds from arrival to the first
    human touch, null as long as there was none; what comes after `until` counts up to it.

    One statement, whatever it is filtered and aggregated by. Business hours are those of today, also for the past.
    """
    settings = routing_settings(broker)
    marks = ruler(list(spans(since, until, settings.hours, broker.timezone)))
    params = [marks.before, marks.starts, marks.lengths, marks.starts, marks.starts, marks.starts]
    touched, arrived = (_READ.format(moment=f'"leads_lead"."{name}"') for name in ("first_touched_at", "created_at"))
    seconds = f"""CASE WHEN "leads_lead"."first_touched_at" IS NOT NULL
                  THEN greatest(({touched}) - ({arrived}), 0) END"""
    mine = leads.filter(broker=broker, created_at__gte=since, created_at__lt=until)
    return mine.annotate(touch_seconds=RawSQL(seconds, [*params, *params], output_field=FloatField()))
