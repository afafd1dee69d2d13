"""Whether a lead can pay for it, by the brokerage's own rules, and why. Pure. Source: docs/scoring.md.

As long as income, DICOM or (where DICOM shows some) the debt is not known, the answer is empty: nobody is refused for
what is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from brokers.score_rules import QualificationRules

QUALIFIED, POTENTIAL, REFUSED = "CALIFICADO", "POTENCIAL", "NO_CALIFICADO"
CLEAN, HAS_DEBT = "clean", "has_debt"

REASONS = {
    "income_low": gettext_noop("Monthly income %(income)s is below %(income_min)s."),
    "income_fair": gettext_noop("Monthly income %(income)s is at least %(income_min)s, below %(income_qualified)s."),
    "income_enough": gettext_noop("Monthly income %(income)s is at least %(income_qualified)s."),
    "income_unknown": gettext_noop("Monthly income is not known."),
    "debt_high": gettext_noop("Debt %(debt)s is above %(debt_max)s."),
    "debt_acceptable": gettext_noop("Debt %(debt)s is at most %(debt_max)s."),
    "debt_none": gettext_noop("DICOM is clean and there is no debt."),
    "debt_beside_clean": gettext_noop("DICOM is clean, with a debt of %(debt)s."),
    "debt_unknown": gettext_noop("DICOM shows debt; how much is not known."),
    "dicom_unknown": gettext_noop("DICOM is not known."),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` is a Qualification, or empty while it cannot be told; `reasons` are codes, `amounts` what they name."""

    value: str
    reasons: tuple[str, ...]
    amounts: Mapping[str, Decimal | None] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """The reasons in the language that is active."""
        said = {name: _amount(amount) for name, amount in self.amounts.items()}
        return [_(REASONS[reason]) % said for reason in self.reasons]


def qualify(income: Decimal | None, debt: Decimal | None, dicom: str, rules: QualificationRules) -> Verdict:
    """Refuse first, then qualify, then potential. Amounts in the broker's currency."""
    value, reasons = _verdict(income, debt, dicom, rules)
    amounts = {
        "income": income,
        "debt": debt,
        "income_min": rules.income_min,
        "income_qualified": rules.income_qualified,
        "debt_max": rules.debt_max,
    }
    return Verdict(value, reasons, amounts)


def qualify_lead(lead: Any, rules: QualificationRules) -> Verdict:
    """By the columns of a Lead."""
    return qualify(lead.income_amount, lead.debt_amount, lead.dicom_status, rules)


def _verdict(
    income: Decimal | None, debt: Decimal | None, dicom: str, rules: QualificationRules
) -> tuple[str, tuple[str, ...]]:
    unknown = _unknown(income, debt, dicom)
    if income is None or unknown:
        return "", unknown
    faults = _faults(income, debt, rules)
    if faults:
        return REFUSED, faults
    means = "income_enough" if income >= rules.income_qualified else "income_fair"
    if dicom == HAS_DEBT:
        return POTENTIAL, (means, "debt_acceptable")
    if debt:
        return POTENTIAL, (means, "debt_beside_clean")
    return (QUALIFIED if means == "income_enough" else POTENTIAL), (means, "debt_none")


def _faults(income: Decimal, debt: Decimal | None, rules: QualificationRules) -> tuple[str, ...]:
    faults = {"income_low": income < rules.income_min, "debt_high": debt is not None and debt > rules.debt_max}
    return tuple(reason for reason, is_so in faults.items() if is_so)


def _unknown(income: Decimal | None, debt: Decimal | None, dicom: str) -> tuple[str, ...]:
    """Unknown debt counts as none when DICOM is clean."""
    missing = {
        "income_unknown": income is None,
        "dicom_unknown": dicom not in (CLEAN, HAS_DEBT),
        "debt_unknown": dicom == HAS_DEBT and debt is None,
    }
    return tuple(reason for reason, is_so in missing.items() if is_so)


def _amount(amount: Decimal | None) -> str:
    if amount is None:
        return "–"
    return number_format(amount, decimal_pos=2 if amount % 1 else 0, force_grouping=True)
