from leads.admin import appointment, calendar, duplicates, history, lead, routing, suppression, tasks, work

__all__ = ["appointment", "calendar", "duplicates", "history", "lead", "routing", "suppression", "tasks", "work"]
