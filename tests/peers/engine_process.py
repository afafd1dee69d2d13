"""An engine in a process of its own: `python -m tests.peers.engine_process [forever]`.

Passes until nothing waits any more, or until somebody kills it.
"""

import sys

import django


def main() -> None:
    django.setup()
    from campaigns.clock import SystemClock
    from campaigns.engine import run
    from campaigns.models import CampaignLog
    from tests.peers.counting import use_counting

    use_counting()
    print("ready", flush=True)
    while "forever" in sys.argv or CampaignLog.objects.waiting().exists():
        run(clock=SystemClock())


if __name__ == "__main__":
    main()
