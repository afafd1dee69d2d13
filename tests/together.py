"""Several things at once, each in a thread with a database connection of its own."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

from django.db import connection

from brokers.refusal import Refused

PATIENCE = 60


def together(*works: Callable[[], Any]) -> list[Any]:
    """What each returned, or the reason for which it was refused. Raises what else one of them raised."""
    barrier, said = Barrier(len(works)), list[Any](works)

    def work(number: int) -> None:
        try:
            barrier.wait(PATIENCE)
            said[number] = works[number]()
        except Refused as refused:
            said[number] = refused.reason
        except BaseException as error:
            said[number] = error
        finally:
            connection.close()

    threads = [Thread(target=work, args=[number], daemon=True) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "they wait for each other"
    for one in said:
        if isinstance(one, BaseException):
            raise one
    return said
