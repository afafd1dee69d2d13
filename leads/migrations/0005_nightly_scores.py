from django.db import migrations

NAME, TASK = "embudo: all scores, once a night", "leads.tasks.recalculate_scores"
# By CELERY_TIMEZONE (UTC): night in the Americas and in Spain.
AT = {"minute": "30", "hour": "5"}


def schedule(apps, schema_editor):
    using = schema_editor.connection.alias
    crontab, _created = apps.get_model("django_celery_beat", "CrontabSchedule").objects.using(using).get_or_create(**AT)
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.using(using)
    tasks.update_or_create(name=NAME, defaults={"task": TASK, "crontab": crontab, "expire_seconds": 6 * 3600})


def unschedule(apps, schema_editor):
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.using(schema_editor.connection.alias)
    tasks.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0004_routing"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(schedule, unschedule)]
