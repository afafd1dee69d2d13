"""How long leads wait for an answer, and for the first sign from us. Definitions: docs/figures.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Min

from leads.figures import Scope, Spread
from leads.figures.history import TAKEN_OVER, UNKNOWN, filled, in_period, measured, share, spread
from leads.statements import fetched
from leads.touches import RULER, ruler_params, work_before
from messaging.models import ACCEPTED

PERSON, ANYBODY, PERSON_AT_WORK = "person", "anybody", "person_at_work"
# The first minutes count most.
QUICK, SOON = timedelta(minutes=5), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`asked` waited for somebody; `answered` of them had an answer. `who`: a person, by the wall clock or in business
    hours, or anybody, machines too."""

    who: str
    asked: int = 0
    answered: int = 0
    quick: int = 0
    soon: int = 0
    took: Spread = UNKNOWN

    @property
    def unanswered(self) -> int:
        return self.asked - self.answered

    @property
    def share(self) -> float | None:
        return share(self.answered, self.asked)


# The messages of one lead fall into turns: what they wrote up to an answer, and the answer that ends it. Counted from
# the newest, all rows of a turn have as many answers at or after them.
RESPONSES = f"""
WITH chosen AS ({{leads}}), declined AS (
    SELECT (evidence ->> 'message')::bigint AS id FROM leads_contactpermission
    WHERE broker_id = %(broker)s AND kind = 'revoked' AND source = 'keyword'
), spoken AS (
    SELECT m.id, m.lead_id, m.direction = 'in' AS is_question, m.sent_by_id IS NOT NULL AS is_persons,
           CASE WHEN m.direction = 'in' THEN m.created_at ELSE coalesce(m.sent_at, m.created_at) END AS at
    FROM messaging_message m JOIN chosen c ON c.id = m.lead_id
    WHERE m.broker_id = %(broker)s AND m.sandbox = %(sandbox)s AND m.created_at <= %(now)s
      AND CASE WHEN m.direction = 'out' THEN m.status = ANY(%(accepted)s)
               ELSE NOT coalesce((m.basis ->> 'automatic')::bool, false)
                    AND NOT EXISTS (SELECT FROM declined d WHERE d.id = m.id) END
), counted AS (
    SELECT lead_id, is_question, is_persons, at,
           count(*) FILTER (WHERE NOT is_question) OVER newest_first AS turn,
           count(*) FILTER (WHERE NOT is_question AND is_persons) OVER newest_first AS persons_turn
    FROM spoken
    WINDOW newest_first AS (PARTITION BY lead_id ORDER BY at DESC, id DESC ROWS UNBOUNDED PRECEDING)
), turns AS (
    SELECT '{ANYBODY}' AS who, min(at) FILTER (WHERE is_question) AS asked_at,
           min(at) FILTER (WHERE NOT is_question) AS answered_at
    FROM counted GROUP BY lead_id, turn
    UNION ALL
    SELECT '{PERSON}', min(at) FILTER (WHERE is_question), min(at) FILTER (WHERE NOT is_question AND is_persons)
    FROM counted GROUP BY lead_id, persons_turn
), told AS (
    SELECT who, answered_at - asked_at AS took FROM turns WHERE {in_period("asked_at")}
)
"""
# A touch before the arrival was written down (they walked in, say) is one at once.
ARRIVED = f"""
WITH chosen AS ({{leads}}), {TAKEN_OVER}, arrived AS (
    SELECT c.id, c.created_at, c.first_touched_at FROM chosen c
    WHERE {in_period("c.created_at")} AND c.created_at <= %(now)s
      AND NOT EXISTS (SELECT FROM taken_over o WHERE o.lead_id = c.id)
)"""
TOUCHES = f"""{ARRIVED}, written AS (
    SELECT m.lead_id, min(coalesce(m.sent_at, m.created_at)) AS at
    FROM messaging_message m JOIN arrived a ON a.id = m.lead_id
    WHERE m.broker_id = %(broker)s AND m.sandbox = %(sandbox)s AND m.created_at <= %(now)s
      AND m.direction = 'out' AND m.status = ANY(%(accepted)s)
    GROUP BY m.lead_id
), touched AS (
    SELECT '{PERSON}' AS who, created_at, first_touched_at AS at FROM arrived
    UNION ALL
    SELECT '{ANYBODY}', a.created_at, least(a.first_touched_at, w.at) FROM arrived a
    LEFT JOIN written w ON w.lead_id = a.id
), told AS (
    SELECT who, greatest(at - created_at, CASE WHEN at IS NOT NULL THEN interval '0' END) AS took FROM touched
)
"""
TOUCHES_AT_WORK = f"""{ARRIVED}, {RULER}, told AS (
    SELECT '{PERSON_AT_WORK}' AS who, CASE WHEN a.first_touched_at IS NOT NULL THEN
        make_interval(secs => greatest({work_before("a.first_touched_at")} - {work_before("a.created_at")}, 0))
        END AS took
    FROM arrived a CROSS JOIN ruler r
)
"""
COUNT = f"""
SELECT who, count(*), count(took), count(*) FILTER (WHERE took <= %(quick)s::interval),
       count(*) FILTER (WHERE took <= %(soon)s::interval), {spread("took")}
FROM told GROUP BY who
"""


def response_times(scope: Scope, *, sandbox: bool = False) -> list[Waiting]:
    """What leads wrote in the period: how long until a person answered, and until anybody did. One query."""
    return _waitings(RESPONSES, scope, (PERSON, ANYBODY), sandbox=sandbox)


def first_touches(scope: Scope, *, sandbox: bool = False) -> list[Waiting]:
    """Leads that arrived in the period: how long until a person turned to them, and until anything did. One query."""
    return _waitings(TOUCHES, scope, (PERSON, ANYBODY), sandbox=sandbox)


def first_touches_at_work(scope: Scope) -> Waiting:
    """How long until a person turned to them, in the brokerage's business hours. At most three queries."""
    since = scope.begin or scope.leads.aggregate(at=Min("created_at"))["at"] or scope.now
    marks = ruler_params(broker=scope.broker, since=since, until=scope.now)
    [found] = _waitings(TOUCHES_AT_WORK, scope, (PERSON_AT_WORK,), **marks)
    return found


def _waitings(statement: str, scope: Scope, whose: Sequence[str], **params: Any) -> list[Waiting]:
    asked = filled(statement + COUNT, scope, accepted=list(map(str, ACCEPTED)), quick=QUICK, soon=SOON, **params)
    told = {row[0]: Waiting(*measured(row)) for row in fetched(*asked)}
    return [told.get(who, Waiting(who)) for who in whose]
