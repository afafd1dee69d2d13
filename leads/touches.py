"""Business time in SQL: how much work lies before a moment, read off the same spans that `leads.hours` counts by."""

from datetime import datetime
from typing import Any

from brokers.models import Broker
from leads.actions.routing import routing_settings
from leads.hours import ruler, spans

# One row `r` that statements join.
RULER = """
ruler AS MATERIALIZED (
    SELECT %(work_before)s::float[] AS before, %(work_starts)s::timestamptz[] AS starts,
           %(work_lengths)s::float[] AS lengths
)"""
# The work of whole spans, and of the one that the moment lies in (or has behind it).
_READ = """
coalesce(r.before[width_bucket({0}, r.starts)]
         + least(r.lengths[width_bucket({0}, r.starts)],
                 extract(epoch FROM {0} - r.starts[width_bucket({0}, r.starts)])), 0)"""


def work_before(moment: str) -> str:
    """Seconds of work before a moment, as SQL over `ruler r`: since the first moment of that ruler."""
    return _READ.format(moment)


def ruler_params(*, broker: Broker, since: datetime, until: datetime) -> dict[str, Any]:
    """What RULER asks for; what comes after `until` counts up to it. Business hours are those of today, also for the
    past."""
    marks = ruler(list(spans(since, until, routing_settings(broker).hours, broker.timezone)))
    return {"work_before": marks.before, "work_starts": marks.starts, "work_lengths": marks.lengths}
