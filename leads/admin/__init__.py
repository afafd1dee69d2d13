from leads.admin import history, lead, suppression, work

__all__ = ["history", "lead", "suppression", "work"]
