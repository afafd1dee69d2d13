"""Figures as people read them, in the active language: a hold-out as a sentence, the others as tables of text."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.figures import CampaignConversion, HoldOut, Verdict
from campaigns.figures_report import Report
from campaigns.stats import CONFIDENCE, FEWEST_GOALS, SMALLEST_ARM
from leads.figures import Passage, PriorityCount, SourceConversion, StageTime, Stagnation
from leads.models import Stage
from messaging.figures import ANYBODY, PERSON, PERSON_AT_WORK, Waiting

WHO = {
    PERSON: gettext_lazy("by a person"),
    ANYBODY: gettext_lazy("by anybody"),
    PERSON_AT_WORK: gettext_lazy("by a person, in business hours"),
}
NOTHING = "–"
MINUTE, HOUR, DAY = 60, 3600, 86_400
Row = tuple[str, ...]


def compared(found: HoldOut) -> str:
    """What a broker reads about the hold-out of a campaign; who does not count yet, or at all, on lines below."""
    return "\n".join([_comparison(found), *_left_aside(found)])


def _comparison(found: HoldOut) -> str:
    arms = {"treated": _number(found.treated.size), "held_out": _number(found.held_out.size)}
    sizes = {**arms, "days": found.within_days}
    if found.interval is None or found.difference is None:
        return _("Nothing to compare yet: %(treated)s treated, %(held_out)s held out, %(days)s days ago or longer.") % (
            sizes
        )
    said = _(
        "Of %(treated)s treated %(treated_share)s %(did)s within %(days)s days, of %(held_out)s held out "
        "%(held_share)s: %(points)s points (%(confidence)s: %(low)s to %(high)s); %(verdict)s."
    ) % {
        **sizes,
        "did": _did(found.goal),
        "treated_share": percent(found.treated.share),
        "held_share": percent(found.held_out.share),
        "points": _points(found.difference),
        "confidence": percent(CONFIDENCE, 0),
        "low": _points(found.interval.low),
        "high": _points(found.interval.high),
        "verdict": found.verdict.label,
    }
    return f"{said} {_how_many_it_takes()}" if found.verdict is Verdict.TOO_SMALL else said


def _how_many_it_takes() -> str:
    return _("It takes %(arm)s leads in each group, and %(goals)s that reached the goal.") % {
        "arm": SMALLEST_ARM,
        "goals": FEWEST_GOALS,
    }


def _left_aside(found: HoldOut) -> list[str]:
    lines = []
    if found.too_young:
        young = _("Taken in less than %(days)s days ago, so not counted yet: %(count)s.")
        lines.append(young % {"days": found.within_days, "count": _number(found.too_young)})
    if found.beside and found.held_out.size:
        beside = _("Treated while nobody was held out, so compared with nobody: %(count)s.")
        lines.append(beside % {"count": _number(found.beside)})
    return lines


def _did(goal: str) -> str:
    if goal == Stage.AGENDADO:
        return _("booked")
    return _("won") if goal == Stage.GANADO else _("reached %(stage)s") % {"stage": Stage(goal).label}


def _points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    points = round(difference * 100, 1)
    sign = "+" if points > 0 else "−" if points < 0 else ""
    return sign + _number(abs(points), 1)


def percent(share: float | None, decimals: int = 1) -> str:
    return NOTHING if share is None else f"{_number(share * 100, decimals)} %"


def _number(value: float, decimals: int = 0) -> str:
    """Rounded, as the language writes it; Django itself cuts off."""
    return str(formats.number_format(round(value, decimals), decimal_pos=decimals, use_l10n=True, force_grouping=True))


def lasting(time: timedelta | None) -> str:
    """In the two largest units: 3 d 4 h, 2 h 10 min, 40 s."""
    if time is None:
        return NOTHING
    seconds = round(time.total_seconds())
    units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")]
    for (size, name), (smaller, its_name) in pairwise(units):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{_number(seconds // size)} {name}" + (f" {rest} {its_name}" if rest else "")
    return f"{seconds} s"


def report_text(report: Report) -> str:
    """One table below the other; what has no rows says so."""
    parts = [
        (_("Funnel: of those who entered a stage, how many reached another"), _funnel(report.funnel)),
        (_("Time in stage"), _times(report.time_in_stage)),
        (_("Leads that stand still now"), _stagnation(report.stagnation)),
        (_("Leads by contact priority now"), _priorities(report.priorities)),
        (_("From arrival to the first touch"), _waiting(report.first_touches, _("arrived"), _("touched"))),
        (_("From a message to its answer"), _waiting(report.response_times, _("questions"), _("had an answer"))),
        (_("By source: booked"), _sources(report.booked_by_source)),
        (_("By source: won"), _sources(report.won_by_source)),
        (_("By campaign"), _campaigns(report.campaigns)),
    ]
    tables = [f"{title}\n{_table(rows)}" for title, rows in parts]
    return "\n\n".join([*tables, *_hold_outs(report.hold_outs)])


def _hold_outs(found: Iterable[HoldOut]) -> list[str]:
    sentences = [f"  {one.name}: " + compared(one).replace("\n", "\n    ") for one in found if one.held_out.size]
    return [_("Treated beside held out") + "\n" + "\n".join(sentences or [f"  {NOTHING}"])]


def _funnel(passages: Iterable[Passage]) -> Sequence[Row]:
    head = ("", _("who entered"), _("who reached it"), "%", _("half within"), _("nine in ten within"))
    return [
        head,
        *(
            (
                f"{Stage(one.from_stage).label} → {Stage(one.to_stage).label}",
                _number(one.entered),
                _number(one.reached),
                percent(one.share),
                *map(lasting, one.took),
            )
            for one in passages
            if one.reached
        ),
    ]


def _times(stages: Iterable[StageTime]) -> Sequence[Row]:
    head = ("", _("stays ended"), _("half within"), "75 %", "90 %", _("still open"), _("half so far"), _("longest"))
    return [
        head,
        *(
            (
                str(Stage(one.stage).label),
                _number(one.ended),
                lasting(one.lasted.median),
                lasting(one.p75),
                lasting(one.lasted.p90),
                _number(one.open),
                lasting(one.so_far.median),
                lasting(one.longest_open),
            )
            for one in stages
            if one.ended or one.open
        ),
    ]


def _stagnation(stages: Iterable[Stagnation]) -> Sequence[Row]:
    head = ("", _("leads here"), _("stand still"), _("longer than"), "")
    return [
        head,
        *(
            (
                str(Stage(one.stage).label),
                _number(one.here),
                _number(one.stagnant),
                lasting(one.limit),
                "" if one.limit is None else _("own limit") if one.is_own_limit else _("usual"),
            )
            for one in stages
            if one.here
        ),
    ]


def _priorities(counts: Iterable[PriorityCount]) -> Sequence[Row]:
    rows = [(str(one.priority.label), _number(one.leads)) for one in counts if one.leads]
    return [("", _("leads here")), *rows]


def _waiting(found: Iterable[Waiting], waited: str, heard: str) -> Sequence[Row]:
    head = ("", waited, heard, "%", "≤ 5 min", "≤ 1 h", _("half within"), _("nine in ten within"))
    return [
        head,
        *(
            (
                str(WHO[one.who]),
                *map(_number, (one.asked, one.answered)),
                percent(one.share),
                *map(_number, (one.quick, one.soon)),
                *map(lasting, one.took),
            )
            for one in found
            if one.asked
        ),
    ]


def _sources(found: Iterable[SourceConversion]) -> Sequence[Row]:
    head = ("", _("arrived"), _("too young"), _("who reached it"), "%", _("half within"))
    return [
        head,
        *(
            (
                one.source or _("(none)"),
                *map(_number, (one.arrived, one.too_young, one.reached)),
                percent(one.share),
                lasting(one.took.median),
            )
            for one in found
        ),
    ]


def _campaigns(found: Iterable[CampaignConversion]) -> Sequence[Row]:
    head = ("", _("goal"), _("treated"), _("too young"), _("contacted"), _("who reached it"), "%", _("half within"))
    return [
        head,
        *(
            (
                one.name,
                str(Stage(one.goal).label),
                *map(_number, (one.treated, one.too_young, one.contacted, one.reached)),
                percent(one.share),
                lasting(one.took.median),
            )
            for one in found
        ),
    ]


def _table(rows: Sequence[Row]) -> str:
    """Columns under their heads, the first to the left, numbers to the right."""
    if len(rows) == 1:
        return f"  {NOTHING}"
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  " + "  ".join(_cells(row, widths)).rstrip() for row in rows)


def _cells(row: Row, widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
