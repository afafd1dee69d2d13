"""How a verb says no."""


class Refused(Exception):
    """A verb was asked for something it may not do; nothing was changed.

    `reason` is a short code for machines (`stage_not_allowed`), the message a sentence for people that names the
    field, the value and what is allowed; `faults` lists every single fault where there are several.
    """

    def __init__(self, reason: str, message: str = "", *, faults: list[str] | None = None) -> None:
        self.reason = reason
        self.faults = faults or []
        super().__init__(message or "; ".join(self.faults) or reason)
