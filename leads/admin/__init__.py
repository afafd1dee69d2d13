from leads.admin import history, lead, routing, work

__all__ = ["history", "lead", "routing", "work"]
