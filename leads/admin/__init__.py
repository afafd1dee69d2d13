from leads.admin import appointment, calendar, history, lead, work

__all__ = ["appointment", "calendar", "history", "lead", "work"]
