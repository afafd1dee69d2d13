"""What Django's error pages and reports show: where it went wrong, and no secret."""

from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import SafeExceptionReporterFilter


class HidesSecrets(SafeExceptionReporterFilter):
    """Also with DEBUG. Local variables hold tokens, passwords and what leads wrote, under any name: none is shown."""

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        return dict[str, Any]().items()

    def get_post_parameters(self, request: HttpRequest | None) -> QueryDict:
        if request is None:
            return QueryDict()
        shown = request.POST.copy()
        for name in shown:
            if name.startswith("credential_") or self.hidden_settings.search(name):
                shown[name] = self.cleansed_substitute
        return shown
