"""What leads asked for."""

from collections.abc import Collection

from leads.statements import fetched

# An arrival that names no property speaks of none.
LATEST_PROPERTY = """
SELECT DISTINCT ON (lead_id) lead_id, property_ref FROM leads_inquiry
WHERE lead_id = ANY(%(leads)s::bigint[]) AND property_ref <> '' ORDER BY lead_id, at DESC, id DESC
"""


def latest_properties(lead_ids: Collection[int]) -> dict[int, str]:
    """The property that each asked for last, by the lead's id; who never named one is left out."""
    return dict(fetched(LATEST_PROPERTY, {"leads": list(lead_ids)}))
