from leads.admin import appointment, calendar, history, lead, routing, suppression, tasks, work

__all__ = ["appointment", "calendar", "history", "lead", "routing", "suppression", "tasks", "work"]
