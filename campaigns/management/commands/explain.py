from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import translation

from brokers.commands import Command as BaseCommand
from brokers.refusal import Refused
from campaigns.explain import explain
from campaigns.models import Campaign
from campaigns.telling import as_text
from leads.models import Lead


class Command(BaseCommand):
    help = "Say why a lead is, or is not, in a campaign, and why each step went as it did."
    example = "manage.py explain --campaign 7 --lead 1234"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--campaign", type=int, required=True, metavar="ID")
        parser.add_argument("--lead", type=int, required=True, metavar="ID")
        parser.add_argument("--language", choices=[code for code, _name in settings.LANGUAGES], default="en")

    def perform(self, **options: Any) -> None:
        campaign = Campaign.objects.select_related("broker").filter(pk=options["campaign"]).first()
        if campaign is None:
            raise Refused("campaign_unknown", f"campaign={options['campaign']} does not exist")
        lead = Lead.objects.filter(pk=options["lead"], broker=campaign.broker_id).first()
        if lead is None:
            raise Refused("lead_unknown", f"lead={options['lead']} is no lead of {campaign.broker}")
        found = explain(campaign, lead, datetime.now(UTC))
        with translation.override(options["language"]):
            self.answer(found.as_json(), f"{campaign.name} · {lead}\n{as_text(found)}", as_json=options["json"])
