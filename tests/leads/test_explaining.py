"""A score in words, in the language of whoever asks."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.utils import translation
from hypothesis import given, settings

from brokers.score_rules import ScoreRules
from leads.explaining import LABELS, Part, explain_score
from leads.scoring import ScoreFacts, score
from tests.leads.test_scoring_properties import NOW, facts

RULES = ScoreRules()
LEAD = ScoreFacts(name="Ana", inbound_count=2, stage="agendado", opted_out=True, last_activity_at=NOW)


def part(lead: ScoreFacts, key: str, rules: ScoreRules = RULES) -> Part:
    with translation.override("en"):
        return next(one for one in explain_score(lead, rules, NOW) if one.key == key)


@given(facts)
@settings(max_examples=200)
def test_points_of_the_parts_are_those_of_the_score(lead: ScoreFacts) -> None:
    parts = explain_score(lead, RULES, NOW)
    assert {one.key: one.points for one in parts if one.points} == score(lead, RULES, NOW).components
    assert [one.key for one in parts] == list(LABELS)


@given(facts)
@settings(max_examples=200)
def test_no_part_gives_more_than_its_most(lead: ScoreFacts) -> None:
    assert [one for one in explain_score(lead, RULES, NOW) if one.points > one.most or not one.why] == []


def test_part_says_why() -> None:
    assert part(LEAD, "name") == Part("name", "Name", 5, 5, "It is known.")
    assert part(LEAD, "email") == Part("email", "E-mail", 0, 5, "It is not known yet.")
    assert part(LEAD, "inbound") == Part("inbound", "Messages received", 8, 14, "2 messages.")
    assert part(LEAD, "stage") == Part("stage", "Stage", 8, 10, "Booked")
    assert part(LEAD, "opted_out") == Part("opted_out", "Asked not to be contacted", -30, 0, "They asked for it.")


def test_part_says_how_long_they_are_silent() -> None:
    silent = replace(LEAD, last_activity_at=NOW - timedelta(days=61))
    why = "No sign of life for 61 days; it counts from 60 on."
    assert part(silent, "silent") == Part("silent", "Silence", -5, 0, why)


def test_part_follows_the_brokers_own_weights() -> None:
    own = ScoreRules.parse({"name": 7, "inbound_tiers": [[1, 3]], "stages": {"agendado": 9}}, {})
    assert [(part(LEAD, key, own).points, part(LEAD, key, own).most) for key in ("name", "inbound", "stage")] == [
        (7, 7),
        (3, 3),
        (9, 10),
    ]


def test_amounts_are_written_as_people_of_the_language_write_them() -> None:
    lead = ScoreFacts(income=Decimal(1_250_000))
    told = {}
    for language in ("es", "en"):
        with translation.override(language):
            told[language] = next(one.why for one in explain_score(lead, RULES, NOW) if one.key == "income")
    assert told == {"es": "1.250.000 al mes.", "en": "1,250,000 a month."}
