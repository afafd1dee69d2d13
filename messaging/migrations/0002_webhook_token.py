from django.db import migrations, models

import messaging.models


def give_tokens(apps, schema_editor):
    accounts = apps.get_model("messaging", "ChannelAccount").objects.using(schema_editor.connection.alias)
    for pk in accounts.filter(webhook_token=None).values_list("pk", flat=True):
        accounts.filter(pk=pk).update(webhook_token=messaging.models.new_webhook_token())


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="channelaccount",
            name="webhook_token",
            field=models.CharField(editable=False, max_length=43, null=True, verbose_name="webhook token"),
        ),
        migrations.RunPython(give_tokens, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="channelaccount",
            name="webhook_token",
            field=models.CharField(
                default=messaging.models.new_webhook_token,
                editable=False,
                max_length=43,
                unique=True,
                verbose_name="webhook token",
            ),
        ),
    ]
