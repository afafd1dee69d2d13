"""What belongs to another brokerage does not exist in the admin. Every registered model is covered by itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from brokers.admin_base import HistoryAdmin, TenantAdmin
from brokers.models import Role, User
from leads.models import Suppression
from tests.brokers.admin_pages import admin_url, choice_fields, form_data, row_urls
from tests.brokers.everything import Brokerage, room_models

MODELS = sorted(room_models(), key=lambda model: model._meta.label)
OTHERS = sorted(
    (model for model, its in admin.site._registry.items() if not isinstance(its, TenantAdmin)),
    key=lambda model: model._meta.label,
)
ONE_ROW_A_BROKER = {"brokers.Broker", "campaigns.Sweep", "leads.RoutingSettings"}

pytestmark = pytest.mark.django_db


def every(models: list[type[Model]]) -> Any:
    return pytest.mark.parametrize("model", models, ids=lambda model: model._meta.label)


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def boreal() -> Brokerage:
    return Brokerage("boreal")


@pytest.fixture
def as_admin(client: Client, aurora: Brokerage) -> Client:
    client.force_login(aurora.admin)
    return client


@pytest.fixture
def as_operator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


def stored(model: type[Model]) -> Any:
    return {row["pk"]: row for row in model._default_manager.values("pk", *fields_of(model))}


def fields_of(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@every(MODELS)
def test_every_model_is_registered_and_scoped(model: type[Model]) -> None:
    assert isinstance(admin.site.get_model_admin(model), TenantAdmin)


@every(MODELS)
def test_every_model_has_an_example_row(model: type[Model], aurora: Brokerage) -> None:
    assert model in aurora.rows, f"add a {model.__name__} to tests/brokers/everything.py"


@every(MODELS)
def test_list_shows_own_rows_only(model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage) -> None:
    response = as_admin.get(admin_url(model, "changelist"))
    assert {row.pk for row in response.context["cl"].result_list} == {row.pk for row in aurora.rows[model]}
    assert boreal.mark not in response.content.decode()


@every(MODELS)
def test_search_finds_own_rows_only(model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage) -> None:
    for words in (boreal.mark, aurora.mark, "a"):
        response = as_admin.get(admin_url(model, "changelist"), {"q": words})
        found = {row.pk for row in response.context["cl"].result_list}
        assert found <= {row.pk for row in aurora.rows[model]}


@every(MODELS)
def test_list_filters_offer_own_rows_only(
    model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage
) -> None:
    aurora.add_one_of_each()
    boreal.add_one_of_each()
    response = as_admin.get(admin_url(model, "changelist"))
    page = response.context["cl"]
    offered = [str(choice["display"]) for spec in page.filter_specs for choice in spec.choices(page)]
    assert not [choice for choice in offered if boreal.mark in choice]
    assert boreal.mark not in response.content.decode()


@every(MODELS)
def test_pages_of_a_foreign_row_do_not_exist(
    model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage
) -> None:
    before = stored(model)
    for url in row_urls(model, boreal.one(model).pk):
        for answer in (as_admin.get(url), as_admin.post(url, {"post": "yes"})):
            assert answer.status_code in (302, 403, 404), url
            assert boreal.mark not in answer.content.decode()
    assert stored(model) == before


@every(MODELS)
def test_a_foreign_row_looks_like_one_that_never_was(
    model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage
) -> None:
    foreign, missing = row_urls(model, boreal.one(model).pk), row_urls(model, 987654321)
    for url, nowhere in zip(foreign, missing, strict=True):
        assert as_admin.get(url).status_code == as_admin.get(nowhere).status_code
        assert as_admin.post(url).status_code == as_admin.post(nowhere).status_code


def pages_with_choices(client: Client, model: type[Model], own: Model) -> Iterator[Any]:
    for url in (admin_url(model, "add"), admin_url(model, "change", own.pk)):
        response = client.get(url)
        # Without one it is a question before the form, such as which provider an account is at.
        if response.status_code == 200 and "adminform" in response.context:
            yield response


@every(MODELS)
def test_forms_offer_and_accept_own_rows_only(
    model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage
) -> None:
    for page in pages_with_choices(as_admin, model, aurora.one(model)):
        assert boreal.mark not in page.content.decode()
        assert "broker" not in choice_fields(page)
        for name, field in choice_fields(page).items():
            for foreign in boreal.rows.get(field.queryset.model, ()):
                with pytest.raises(ValidationError):
                    field.clean(foreign.pk)
            assert not field.queryset.exclude(broker=aurora.broker).exists(), name


@every(MODELS)
def test_autocompletion_offers_own_rows_only(
    model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage
) -> None:
    for field in (field for field in model._meta.fields if field.is_relation):
        asked = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
        for term in ("", boreal.mark):
            query = {**asked, "field_name": field.name, "term": term}
            answer = as_admin.get(reverse("admin:autocomplete"), query)
            assert boreal.mark not in answer.content.decode()


@every(MODELS)
def test_bulk_actions_touch_own_rows_only(
    model: type[Model], as_admin: Client, aurora: Brokerage, boreal: Brokerage
) -> None:
    url = admin_url(model, "changelist")
    page = as_admin.get(url)
    form = page.context["cl"].model_admin.get_action_choices(page.wsgi_request)
    before = stored(model)
    for action, _label in form[1:]:
        given = {"action": action, "_selected_action": [boreal.one(model).pk], "post": "yes", "index": 0}
        answers = (
            as_admin.post(url, given),
            as_admin.post(url, {**given, "to": "perdido", "reason": "otro", "select_across": "0"}),
        )
        assert not [answer for answer in answers if boreal.mark in answer.content.decode()]
    assert stored(model) == before


@every(MODELS)
def test_agents_and_strangers_get_nothing(model: type[Model], client: Client, aurora: Brokerage) -> None:
    urls = [admin_url(model, "changelist"), admin_url(model, "add")]
    urls += row_urls(model, aurora.one(model).pk)
    assert {client.get(url).status_code for url in urls} == {302}
    agent = User.objects.create(username="a", broker=aurora.broker, role=Role.AGENT, is_staff=True)
    client.force_login(agent)
    assert {client.get(url).status_code for url in urls} == {302}


def test_agent_is_sent_away_from_the_index_and_gets_no_choices(client: Client, aurora: Brokerage) -> None:
    agent = User.objects.create(username="a", broker=aurora.broker, role=Role.AGENT, is_staff=True)
    client.force_login(agent)
    assert client.get(reverse("admin:index")).status_code == 302
    query = {"app_label": "leads", "model_name": "task", "field_name": "lead"}
    assert client.get(reverse("admin:autocomplete"), query).status_code == 302


@every(OTHERS)
def test_models_of_other_packages_are_for_operators(model: type[Model], as_admin: Client) -> None:
    assert as_admin.get(admin_url(model, "changelist")).status_code == 403
    assert as_admin.get(admin_url(model, "add")).status_code == 403


def test_index_names_no_model_of_other_packages(as_admin: Client) -> None:
    shown = {app["app_label"] for app in as_admin.get(reverse("admin:index")).context["app_list"]}
    assert shown == {"brokers", "leads", "templates_app", "messaging", "voice", "campaigns"}


def test_index_shows_nothing_that_others_did(as_admin: Client, aurora: Brokerage, boreal: Brokerage) -> None:
    for brokerage in (aurora, boreal):
        LogEntry.objects.log_actions(brokerage.admin.pk, [brokerage.lead], 2, change_message="x")
    content = as_admin.get(reverse("admin:index")).content.decode()
    assert str(aurora.lead) in content
    assert boreal.mark not in content


@every([model for model in MODELS if model._meta.label not in ONE_ROW_A_BROKER])
def test_list_runs_as_many_queries_for_three_rows_as_for_one(
    model: type[Model], as_admin: Client, aurora: Brokerage
) -> None:
    url = admin_url(model, "changelist")
    as_admin.get(url)
    with CaptureQueriesContext(
        connection,
    ) as one:
        as_admin.get(url)
    aurora.add_one_of_each()
    aurora.add_one_of_each()
    with CaptureQueriesContext(connection) as three:
        as_admin.get(url)
    assert len(three) == len(one), [query["sql"] for query in three]


@every(MODELS)
def test_operator_works_with_every_brokerage(
    model: type[Model], as_operator: Client, aurora: Brokerage, boreal: Brokerage
) -> None:
    shown = as_operator.get(admin_url(model, "changelist")).context["cl"].result_list
    assert {row.pk for row in shown} >= {row.pk for row in (*aurora.rows[model], *boreal.rows[model])}
    for row in (aurora.one(model), boreal.one(model)):
        assert as_operator.get(admin_url(model, "change", row.pk)).status_code == 200


@every(MODELS)
def test_form_sent_back_as_it_is_changes_nothing(model: type[Model], as_admin: Client, aurora: Brokerage) -> None:
    row = aurora.one(model)
    url = admin_url(model, "change", row.pk)
    page = as_admin.get(url)
    before = stored(model)
    answer = as_admin.post(url, form_data(page))
    if page.context["has_change_permission"]:
        assert answer.status_code == 302, answer.context["errors"]
    else:
        assert answer.status_code == 403
    changed = {key: row | {"updated_at": None} for key, row in stored(model).items()}
    assert changed == {key: row | {"updated_at": None} for key, row in before.items()}


@every([model for model in MODELS if isinstance(admin.site.get_model_admin(model), HistoryAdmin)])
def test_history_is_only_looked_at(model: type[Model], as_admin: Client, aurora: Brokerage) -> None:
    before, pk = stored(model), aurora.one(model).pk
    assert as_admin.get(admin_url(model, "add")).status_code == 403
    for page in ("change", "delete"):
        assert as_admin.post(admin_url(model, page, pk), {"post": "yes"}).status_code == 403
    as_admin.post(
        admin_url(model, "changelist"), {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    )
    assert stored(model) == before


def test_hardly_anything_is_deleted(rf: RequestFactory, aurora: Brokerage) -> None:
    request = rf.get("/")
    request.user = aurora.admin
    admins = {model.__name__: admin.site.get_model_admin(model) for model in MODELS}
    assert {name for name, its in admins.items() if its.has_delete_permission(request)} == {
        "Absence",
        "Campaign",
        "Lead",
        "WorkingHours",
    }


@pytest.mark.parametrize("query", ["?status=%00", "?source=%00", "?q=a%00b", "?%00=1"])
def test_query_that_no_column_can_hold_is_a_bad_request(as_admin: Client, query: str) -> None:
    assert as_admin.get(admin_url(Suppression, "changelist") + query).status_code == 400
