from campaigns.admin import brokerage, campaign, enrollment, history, platform, unknowns

__all__ = ["brokerage", "campaign", "enrollment", "history", "platform", "unknowns"]
