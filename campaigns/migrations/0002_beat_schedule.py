from django.db import migrations

TASKS = [
    ("embudo: triggers and due steps", "campaigns.tasks.run_pass", 30),
    ("embudo: endings and lost leases", "campaigns.tasks.sweep", 60),
]


def schedule(apps, schema_editor):
    using = schema_editor.connection.alias
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects.using(using)
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.using(using)
    for name, task, seconds in TASKS:
        interval, _created = intervals.get_or_create(every=seconds, period="seconds")
        # A pass that nobody took in time is no loss: the next one does its work.
        tasks.update_or_create(name=name, defaults={"task": task, "interval": interval, "expire_seconds": seconds})


def unschedule(apps, schema_editor):
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.using(schema_editor.connection.alias)
    tasks.filter(name__in=[name for name, _task, _seconds in TASKS]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(schedule, unschedule)]
