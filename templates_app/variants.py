"""Templates as they are written by: compiled, and in the language of the one who reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from templates_app.merge import CompiledText, TemplateSyntaxError, compile_text
from templates_app.models import MessageTemplate


@dataclass(frozen=True, slots=True)
class Template:
    """One language variant, compiled."""

    id: int
    channel: str
    purpose: str
    language: str
    is_active: bool
    subject: CompiledText
    body: CompiledText
    variables: frozenset[str]
    provider_template_id: str = ""

    @property
    def is_about_appointment(self) -> bool:
        """Whether it is transactional, for a lead who has an appointment."""
        return self.purpose == "transactional" and bool(self.variables & {"appointment_date", "appointment_time"})


class Templates:
    """The templates of a batch with their language variants."""

    def __init__(self, ids: Iterable[int]) -> None:
        chosen = MessageTemplate.objects.filter(pk__in=set(ids))
        families = MessageTemplate.objects.filter(
            broker__in=chosen.values("broker"), name__in=chosen.values("name"), channel__in=chosen.values("channel")
        )
        self._templates: dict[int, Template] = {}
        self._family: dict[int, tuple[int, str, str]] = {}
        self._variants: dict[tuple[int, str, str, str], Template] = {}
        self._unreadable: dict[int, TemplateSyntaxError] = {}
        for row in families:
            try:
                self._templates[row.pk] = compiled(row)
            except TemplateSyntaxError as error:
                self._unreadable[row.pk] = error
                continue
            self._family[row.pk] = (row.broker_id, row.name, row.channel)
            if row.is_active:
                self._variants[row.broker_id, row.name, row.channel, row.language] = self._templates[row.pk]

    def variables(self) -> frozenset[str]:
        """Every variable that any of them speaks of."""
        return frozenset().union(*(template.variables for template in self._templates.values()))

    def variant(self, template_id: int | None, language: str) -> Template | None:
        """The active variant in this language, else the template that the step names.

        Raises TemplateSyntaxError where that one was stored past its check.
        """
        if template_id in self._unreadable:
            raise self._unreadable[template_id]
        if template_id is None or template_id not in self._templates:
            return None
        chosen = self._templates[template_id]
        return self._variants.get((*self._family[template_id], language), chosen) if chosen.is_active else chosen


def compiled(row: MessageTemplate) -> Template:
    subject, body = compile_text(row.subject), compile_text(row.content)
    return Template(
        id=row.pk,
        channel=row.channel,
        purpose=row.purpose,
        language=row.language,
        is_active=row.is_active,
        subject=subject,
        body=body,
        variables=frozenset(subject.variables + body.variables),
        provider_template_id=row.provider_template_id,
    )
