"""A person writes in a process of its own: `python -m tests.peers.write_process <lead> <user> <moment> <form>`."""

import sys
from datetime import datetime
from uuid import UUID

import django


def main() -> None:
    django.setup()
    from brokers.models import User
    from leads.models import Lead
    from messaging.clock import VirtualClock
    from messaging.writing import write_message
    from tests.peers.counting import use_counting

    use_counting()
    lead, by, moment, form = sys.argv[1:]
    write_message(
        lead=Lead.objects.get(pk=lead),
        channel="telegram",
        by=User.objects.get(pk=by),
        clock=VirtualClock(datetime.fromisoformat(moment)),
        form_id=UUID(form),
        text="Hola",
    )


if __name__ == "__main__":
    main()
