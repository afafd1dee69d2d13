from leads.admin import appointment, calendar, history, lead, suppression, work

__all__ = ["appointment", "calendar", "history", "lead", "suppression", "work"]
