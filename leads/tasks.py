"""Thin doors for Celery, which is only the clock."""

from celery import shared_task

from leads import actions


@shared_task(ignore_result=True)
def recalculate_scores() -> None:
    """Once a night. A second one beside it, or after it, changes nothing more."""
    actions.recalculate_scores()
