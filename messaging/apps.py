from django.apps import AppConfig
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = _("Messaging")

    def ready(self) -> None:
        """A table of law that cannot be read stops the start, not the first message."""
        import_string("messaging.jurisdictions.rulebook")()
