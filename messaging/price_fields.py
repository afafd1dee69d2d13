"""The prices of an account as a person edits them: a currency, and a line for each destination."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from messaging.prices import (
    BY_NUMBER,
    CURRENCY,
    EVERYWHERE_ELSE,
    KINDS,
    Prices,
    amount_of,
    kinds_of,
    prefix_of,
)

# Empty lines below those that are there, to be filled in.
SPARE = 3


class PricesWidget(forms.Widget):
    """`channel` says which prices there are, and whether they are by number."""

    template_name = "messaging/prices.html"

    def __init__(self, channel: str) -> None:
        super().__init__()
        self.kinds = kinds_of(channel)
        self.is_by_number = channel in BY_NUMBER

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """`value` is what is stored, or what was posted."""
        context = super().get_context(name, value, attrs)
        posted = value if isinstance(value, list) else self._lines(value or {})
        currency, lines = (posted[0], posted[1:]) if posted else ("", [])
        empty = [""] * len(self.kinds)
        lines = [*lines[:1], *[line for line in lines[1:] if any(line)]] or [[EVERYWHERE_ELSE, *empty]]
        lines += [[EVERYWHERE_ELSE, *empty]] * (SPARE if self.is_by_number else 0)
        context["currency"] = currency
        context["kinds"] = [KINDS[kind] for kind in self.kinds]
        context["lines"] = [(line[0], list(zip(self.kinds, context["kinds"], line[1:], strict=True))) for line in lines]
        context["is_by_number"] = self.is_by_number
        return context

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """From our own templates; those of forms are Django's."""
        return render_to_string(template_name, context)

    def _lines(self, stored: dict[str, Any]) -> list[Any]:
        if not stored:
            return []
        table = {EVERYWHERE_ELSE: {}, **stored["prices"]}
        ordered = sorted(table.items())
        return [stored["currency"], *[[to, *[row.get(kind, "") for kind in self.kinds]] for to, row in ordered]]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Any] | None:
        """The currency, then a list a line: the destination and a price of each kind. None where nothing was asked."""
        if f"{name}-currency" not in data:
            return None
        columns = [data.getlist(f"{name}-{kind}") for kind in self.kinds]
        to = data.getlist(f"{name}-to") if self.is_by_number else []
        lines = zip([EVERYWHERE_ELSE, *to], *columns, strict=False)
        return [data[f"{name}-currency"], *[list(line) for line in lines]]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-currency" not in data


class PricesField(forms.Field):
    """Gives what ChannelAccount.prices stores; what is wrong is said with its line."""

    def __init__(self, *, channel: str, **kwargs: Any) -> None:
        super().__init__(required=False, widget=PricesWidget(channel), **kwargs)
        self.kinds = kinds_of(channel)

    def to_python(self, value: Any) -> dict[str, Any]:
        """The first line without a destination is for everywhere else."""
        if not isinstance(value, list):
            return value or {}
        table: dict[str, dict[str, str]] = {}
        faults = []
        for number, (to, *amounts) in enumerate(value[1:]):
            try:
                self._add(table, number, to.strip(), amounts)
            except ValueError as error:
                faults.append(str(error))
        if table and not CURRENCY.fullmatch(value[0].strip().upper()):
            faults.append(_("The currency is missing: three letters, such as USD."))
        if faults:
            raise forms.ValidationError(faults)
        return {"currency": value[0].strip().upper(), "prices": table} if table else {}

    def _add(self, table: dict[str, dict[str, str]], number: int, to: str, amounts: Sequence[str]) -> None:
        """Raises ValueError."""
        given = {kind: text for kind, text in zip(self.kinds, amounts, strict=True) if text.strip()}
        if not given and not to:
            return
        if not to and number:
            raise ValueError(_("A price stands in a line without a destination."))
        if not given:
            raise ValueError(_("There is no price for %(destination)s.") % {"destination": to})
        prefix = prefix_of(to) if to else EVERYWHERE_ELSE
        if prefix in table:
            raise ValueError(_("There are two lines for %(destination)s.") % {"destination": prefix})
        table[prefix] = {kind: str(amount_of(text)) for kind, text in given.items()}

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(Prices.parse(self.to_python(data)) != Prices.parse(initial or {}))
        except (ValueError, forms.ValidationError):
            return True


def prices_field(channel: str) -> PricesField:
    if channel in BY_NUMBER:
        words = gettext_lazy(
            "What your provider takes for one message, by where it goes: the beginning of the number such as +56, or a "
            "country such as CL; the longest that fits counts. Costs of the past stay as they are."
        )
    else:
        words = gettext_lazy("What your provider takes for one message. Costs of the past stay as they are.")
    return PricesField(channel=channel, label=gettext_lazy("Prices"), help_text=words)
