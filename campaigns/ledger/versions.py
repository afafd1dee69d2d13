"""What must hold of campaigns and of their versions."""

from collections.abc import Collection
from itertools import groupby

from campaigns.actions.versions import VERSIONED, fingerprint
from campaigns.ledger.looks import SHOWN, Broken, Finding, Look, Reading, Violation
from campaigns.models import CampaignStep, CampaignVersion

CAMPAIGNS = Look(
    table="campaigns_campaign",
    row="c.id",
    source="""campaigns_campaign c
        LEFT JOIN (SELECT campaign_id, count(*) FILTER (WHERE status <> 'held_out') AS entered,
                          count(*) FILTER (WHERE status = 'active') AS under_way
                   FROM campaigns_enrollment GROUP BY campaign_id) e ON e.campaign_id = c.id
        LEFT JOIN (SELECT campaign_id, count(*) AS n, max(number) AS newest
                   FROM campaigns_campaignversion GROUP BY campaign_id) approved ON approved.campaign_id = c.id
        LEFT JOIN campaigns_campaignversion v ON v.campaign_id = c.id AND v.number = c.version""",
    broken={
        "enrolled_is_counted": Broken(
            "coalesce(e.entered, 0) <> c.enrolled_count",
            "coalesce(e.entered, 0) || ' enrolled, counted ' || c.enrolled_count",
        ),
        "max_contacts_holds": Broken(
            "e.entered > c.max_contacts",
            "e.entered || ' enrolled where ' || c.max_contacts || ' are allowed'",
        ),
        "campaign_has_its_versions": Broken(
            """coalesce(approved.newest, 0) <> CASE c.status WHEN 'draft' THEN 0 ELSE c.version END
               OR approved.n <> approved.newest""",
            """c.status || ' with version ' || c.version || ', approved are ' || coalesce(approved.n, 0)
               || ', the newest ' || coalesce(approved.newest::text, 'none')""",
        ),
        "campaign_lives_by_its_version": Broken(
            "v.settings <> jsonb_build_object({})".format(", ".join(f"'{name}', c.{name}" for name in VERSIONED)),
            "'its settings are not those of version ' || v.number",
        ),
        "campaign_status_has_its_moments": Broken(
            """(c.status = 'draft') <> (c.activated_at IS NULL) OR (c.status = 'paused' AND c.paused_at IS NULL)
               OR (c.status = 'active' AND (c.paused_at IS NOT NULL OR c.collects_from IS NULL))""",
            """c.status || ', activated at ' || coalesce(c.activated_at::text, 'null') || ', paused at '
               || coalesce(c.paused_at::text, 'null') || ', collects from '
               || coalesce(c.collects_from::text, 'null')""",
        ),
        "completed_campaign_is_finished": Broken(
            "c.status IN ('draft', 'completed') AND e.under_way > 0",
            "c.status || ', and ' || e.under_way || ' leads are under way in it'",
        ),
    },
)

UNCHANGED = "versions_unchanged"


def _changed(asked: Collection[str]) -> list[Finding]:
    """Versions whose settings or steps are no longer what was approved."""
    in_order = CampaignStep.objects.order_by("campaign_id", "version", "step_number")
    groups = groupby(in_order.iterator(), key=lambda step: (step.campaign_id, step.version))
    steps = {key: list(found) for key, found in groups}
    changed = [
        Violation(UNCHANGED, "campaigns_campaignversion", version.pk, f"{version} is not what was approved any more")
        for version in CampaignVersion.objects.select_related("campaign").order_by("pk")
        if fingerprint(version.settings, steps.get((version.campaign_id, version.number), [])) != version.fingerprint
    ]
    return [Finding(UNCHANGED, len(changed), changed[:SHOWN])]


FINGERPRINTS = Reading((UNCHANGED,), _changed)
