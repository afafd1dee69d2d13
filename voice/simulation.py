"""The simulated phone of the sandbox. Pure: what happens depends on the last digit of the number, so that a broker
can try each case."""

from dataclasses import dataclass

from voice.models import CallStatus


@dataclass(frozen=True, slots=True)
class Answer:
    """How a simulated call ends, and how many seconds were spoken."""

    status: str
    seconds: int


def answer_of(number: str) -> Answer:
    """8: busy, 9: nobody picks up, every other digit: answered, for half a minute (0) to two minutes (7)."""
    digit = int(number[-1]) if number[-1:].isdecimal() else 0
    if digit == 8:
        return Answer(CallStatus.BUSY, 0)
    if digit == 9:
        return Answer(CallStatus.NO_ANSWER, 0)
    return Answer(CallStatus.COMPLETED, 30 + digit * 13)
