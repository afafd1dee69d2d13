"""The course of a lead's score, as a small picture."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from leads.models import Lead, ScoreChange

# So many changes, the newest ones.
SHOWN = 100
WIDTH, HEIGHT = 300, 100
SVG = """
<svg class="sparkline" viewBox="0 -2 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{told}">
  <title>{told}</title><polyline points="{points}"/>
</svg>
"""


def sparkline(lead: Lead) -> SafeString | str:
    """A step for each change, from the first one shown to the last; as words where there is only one score."""
    newest = ScoreChange.objects.filter(lead=lead).order_by("-at", "-id").values_list("at", "to_score")[:SHOWN]
    changes = list(newest)[::-1]
    if len(changes) < 2:
        return _("It has not changed yet.")
    scores = [score for _at, score in changes]
    words = {"first": scores[0], "last": scores[-1], "least": min(scores), "most": max(scores)}
    told = _("From %(first)d to %(last)d, between %(least)d and %(most)d") % words
    points = " ".join(f"{x:.1f},{y}" for x, y in corners(changes))
    return format_html(SVG, width=WIDTH, height=HEIGHT + 4, told=told, points=points)


def corners(changes: Sequence[tuple[datetime, int]]) -> list[tuple[float, int]]:
    """Of a line that keeps each score until the next change; x runs to WIDTH in proportion to time, y downwards."""
    first, last = changes[0][0], changes[-1][0]
    length = (last - first).total_seconds() or 1
    found: list[tuple[float, int]] = []
    for at, score in changes:
        x = (at - first).total_seconds() / length * (WIDTH - 10)
        found += [(x, found[-1][1])] if found else []
        found.append((x, HEIGHT - score))
    return [*found, (float(WIDTH), found[-1][1])]
