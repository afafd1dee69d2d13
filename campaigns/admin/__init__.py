from campaigns.admin import brokerage, campaign, history

__all__ = ["brokerage", "campaign", "history"]
