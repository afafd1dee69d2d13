import signal
import time
from argparse import ArgumentParser
from datetime import timedelta
from threading import Event
from typing import Any

from django.db import OperationalError, connection

from brokers.actions import find_broker
from brokers.commands import Command as BaseCommand
from brokers.models import Broker
from campaigns.engine import Pass, run
from messaging.clock import SystemClock

EVERY = timedelta(seconds=5)


class Command(BaseCommand):
    help = "Fire the triggers and carry out what is due, of every campaign of every brokerage."
    example = "manage.py run_campaigns --loop"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="one pass (the default)")
        how.add_argument("--loop", action="store_true", help="until SIGTERM or Ctrl-C; the batch in hand is finished")
        parser.add_argument("--broker", metavar="SLUG", help="only this brokerage")

    def perform(self, **options: Any) -> None:
        broker = find_broker(options["broker"]) if options["broker"] else None
        stop = _stop_on_signals()
        if not options["loop"]:
            self._pass(broker, stop, options)
            return
        while not stop.is_set():
            self._pass_or_wait(broker, stop, options)
            stop.wait(EVERY.total_seconds())

    def _pass_or_wait(self, broker: Broker | None, stop: Event, options: dict[str, Any]) -> None:
        """A database that is away for a moment must not end the loop; whatever was begun is still due."""
        try:
            self._pass(broker, stop, options)
        except OperationalError as error:
            self.stderr.write(f"The database cannot be reached, trying again: {error}")
            connection.close()

    def _pass(self, broker: Broker | None, stop: Event, options: dict[str, Any]) -> None:
        began = time.monotonic()
        done = run(clock=SystemClock(), broker=broker, should_stop=stop.is_set)
        data = {
            "enrolled": sum(intake.enrolled for intake in done.enrolled.values()),
            "exited": done.exited,
            "steps": {key: count for key, count in sorted(done.steps.items()) if count},
            "batches": done.batches,
            "seconds": round(time.monotonic() - began, 3),
        }
        if not options["loop"] or any(data[key] for key in ("enrolled", "exited", "steps")):
            self.answer(data, _text(done, data), as_json=options["json"])
            self.stdout.flush()


def _text(done: Pass, data: dict[str, Any]) -> str:
    steps = ", ".join(f"{count} {what}" for what, count in data["steps"].items()) or "nothing due"
    return f"{data['enrolled']} enrolled, {data['exited']} ended; {steps} ({data['seconds']} s)"


def _stop_on_signals() -> Event:
    """SIGTERM and Ctrl-C ask the pass to end after the batch in hand."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    return stop
