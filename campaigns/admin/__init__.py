from campaigns.admin import campaign, history

__all__ = ["campaign", "history"]
