import pytest
from django.core.exceptions import ValidationError

from brokers.models import Broker
from templates_app.models import MessageTemplate
from tests.building import NOW, a_broker, a_template

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker(custom_fields=[{"key": "mascota", "label": "Mascota", "type": "text"}])


def test_saving_extracts_the_variables_of_subject_and_text(broker: Broker) -> None:
    template = a_template(broker, "Hola {{name}} {{budget|algo}}", subject="{{location}}", channel="email")
    assert MessageTemplate.objects.get(pk=template.pk).variables == ["location", "name", "budget"]


def test_saving_again_extracts_anew(broker: Broker) -> None:
    template = a_template(broker, "{{name}}")
    template.content = "{{phone}}"
    template.save()
    assert template.variables == ["phone"]


def test_saving_refuses_an_unknown_variable_by_name(broker: Broker) -> None:
    with pytest.raises(ValidationError, match="nombre"):
        a_template(broker, "Hola {{nombre}}")
    assert MessageTemplate.objects.count() == 0


def test_saving_knows_the_brokers_own_fields(broker: Broker) -> None:
    assert a_template(broker, "{{mascota|}}").variables == ["mascota"]


def test_saving_does_not_know_another_brokers_fields(broker: Broker) -> None:
    with pytest.raises(ValidationError, match="mascota"):
        a_template(a_broker("boreal"), "{{mascota}}")


@pytest.mark.parametrize("field", ["subject", "content"])
def test_saving_refuses_template_code(broker: Broker, field: str) -> None:
    with pytest.raises(ValidationError, match="{%") as refused:
        a_template(broker, **{"content": "Hola", field: "{% now 'Y' %}"})
    assert list(refused.value.message_dict) == [field]


def test_language_variants_share_a_name(broker: Broker) -> None:
    for language in ("es", "en"):
        a_template(broker, name="hola", language=language, updated_at=NOW)
    assert MessageTemplate.objects.filter(name="hola").count() == 2
