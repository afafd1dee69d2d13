"""Template text with `{{variable}}` and `{{variable|default}}`. Pure; a value is text, never template code.

A text is split once into literals and variables; rendering joins them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

PLACEHOLDER = re.compile(r"\{\{\s*([^{}|]*?)\s*(?:\|([^{}]*))?\}\}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class TemplateSyntaxError(ValueError):
    """The text holds something that is no variable; the message names it."""


class MissingVariable(ValueError):
    """A variable has neither a value nor a default; `name` says which."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"missing_variable:{name}")


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    default: str | None


@dataclass(frozen=True, slots=True)
class CompiledText:
    """Literals and slots in the order of the text."""

    parts: tuple[str | Slot, ...]

    @property
    def variables(self) -> list[str]:
        """The names in the text, each once, in order of appearance."""
        return list(dict.fromkeys(part.name for part in self.parts if isinstance(part, Slot)))

    def render(self, values: Mapping[str, str]) -> str:
        """The text with its values. Raises MissingVariable when an empty one has no default."""
        return "".join(part if isinstance(part, str) else _fill(part, values) for part in self.parts)

    def filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """What each variable becomes, in the order of `variables`. Raises MissingVariable as `render` does."""
        slots = {part.name: part for part in reversed(self.parts) if isinstance(part, Slot)}
        return tuple(_fill(slots[name], values) for name in self.variables)


def _fill(slot: Slot, values: Mapping[str, str]) -> str:
    value = values.get(slot.name) or slot.default
    if value is None:
        raise MissingVariable(slot.name)
    return value


@lru_cache(maxsize=4096)
def compile_text(text: str) -> CompiledText:
    """Split a template's text. Raises TemplateSyntaxError for braces that are no variable."""
    parts: list[str | Slot] = []
    end = 0
    for match in PLACEHOLDER.finditer(text):
        parts += [_literal(text[end : match.start()]), _slot(match)]
        end = match.end()
    parts.append(_literal(text[end:]))
    return CompiledText(tuple(part for part in parts if part != ""))


def _literal(text: str) -> str:
    for mark in ("{{", "}}", "{%"):
        if mark in text:
            around = text[max(0, text.index(mark) - 10) : text.index(mark) + 20]
            raise TemplateSyntaxError(
                f"{mark} near {around!r} is no variable; write {{{{name}}}} or {{{{name|default}}}}"
            )
    return text


def _slot(match: re.Match[str]) -> Slot:
    name, default = match.group(1), match.group(2)
    if not NAME.match(name):
        raise TemplateSyntaxError(f"{match.group(0)!r} is no variable; use letters, digits and _")
    return Slot(name, None if default is None else default.strip())
