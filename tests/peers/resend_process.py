"""A person's "send again" in a process of its own: `python -m tests.peers.resend_process <log id> <moment>`."""

import sys
from datetime import datetime

import django


def main() -> None:
    django.setup()
    from campaigns.actions import send_again
    from campaigns.models import CampaignLog
    from messaging.clock import VirtualClock
    from tests.peers.counting import use_counting

    use_counting()
    clock = VirtualClock(datetime.fromisoformat(sys.argv[2]))
    send_again(log=CampaignLog.objects.get(pk=sys.argv[1]), clock=clock)


if __name__ == "__main__":
    main()
