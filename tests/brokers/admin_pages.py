"""Reading the admin's pages as a browser does."""

from html.parser import HTMLParser
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse


def admin_url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def row_urls(model: type[Model], pk: Any) -> list[str]:
    """Every page under one row, those included that an admin adds itself."""
    patterns = [
        pattern
        for pattern in admin.site.get_model_admin(model).get_urls()
        if pattern.name and "<" in str(pattern.pattern)
    ]
    return [reverse(f"admin:{pattern.name}", args=[pk]) for pattern in patterns]


class _Fields(HTMLParser):
    """What a browser would send from the first form in which a save button stands."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self._select = self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        name = values.get("name", "")
        if tag == "input" and name and values.get("type") not in ("submit", "button", "file"):
            is_box = values.get("type") in ("checkbox", "radio")
            if not is_box or "checked" in values:
                self.data.setdefault(name, []).append(values.get("value", "on" if is_box else ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in values:
            self.data.setdefault(self._select, []).append(values.get("value", ""))
        elif tag == "textarea":
            self._text = name
            self.data.setdefault(name, [""])

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self.data[self._text][0] = self.data[self._text][0].removeprefix("\n")
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.data[self._text][0] += data


def form_data(response: Any) -> dict[str, Any]:
    """The fields of the page's own form, as they stand. Rows that a script would copy are left out."""
    html = response.content.decode()
    start = html.index("<form", html.index('id="content"'))
    parser = _Fields()
    parser.feed(html[start : html.index("</form>", start)])
    return {name: value for name, value in parser.data.items() if "__prefix__" not in name}


def choice_fields(response: Any) -> dict[str, Any]:
    """Every field of the page that points at other rows, those of inline rows included.

    The id of an inline row is none: rows are looked up among the parent's own.
    """
    forms = [response.context["adminform"].form]
    for inline in response.context["inline_admin_formsets"]:
        forms += [*inline.formset.forms, inline.formset.empty_form]
    fields = [(name, field) for form in forms for name, field in form.fields.items()]
    return {name: field for name, field in fields if hasattr(field, "queryset") and name != "id"}


def signed_in(user: Any) -> Client:
    """A browser of this person, in English."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def errors(response: Any) -> dict[str, list[str]]:
    """What a form that was refused says, by field; `__all__` stands above the form."""
    assert response.status_code == 200, response
    shown = response.context.get("adminform")
    form = shown.form if shown else response.context["form"]
    return {name: [str(fault) for fault in faults] for name, faults in form.errors.items()}


def said(response: Any) -> list[str]:
    """The messages on the page to which this answer leads."""
    return [str(message) for message in response.context["messages"]]


def saved(client: Client, url: str, **changes: Any) -> Any:
    """Open a form, change some fields, save; the answer."""
    return client.post(url, form_data(client.get(url)) | changes)
