from leads.admin import appointment, calendar, history, lead, routing, suppression, work

__all__ = ["appointment", "calendar", "history", "lead", "routing", "suppression", "work"]
