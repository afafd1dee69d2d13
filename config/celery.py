"""Celery is the clock and the extra hands; the queue is in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("embudo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
