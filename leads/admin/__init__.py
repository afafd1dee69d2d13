from leads.admin import history, lead, work

__all__ = ["history", "lead", "work"]
