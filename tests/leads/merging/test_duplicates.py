"""Who may be one person."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import create_task, delete_lead, merge_leads
from leads.duplicates import PAIRS, After, Pair, params_of, possible_duplicates, say_not_duplicates
from leads.models import Lead
from tests.building import NOW, a_broker, a_lead
from tests.many import analyze, copies_of_lead

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker()


def told(broker: Broker) -> list[tuple[set[int], set[str]]]:
    return [({pair.first.pk, pair.second.pk}, set(pair.reasons)) for pair in possible_duplicates(broker=broker)]


def test_one_mailbox_and_two_phones(broker: Broker) -> None:
    one, other = (a_lead(broker, email="casa@example.com") for _ in range(2))
    a_lead(broker)
    assert told(broker) == [({one.pk, other.pk}, {"same_email"})]


def test_one_name_where_one_has_a_chat_and_the_other_a_phone(broker: Broker) -> None:
    one = a_lead(broker, name="Inés Soto", phone="", email="")
    other = a_lead(broker, name=" ines SOTO", telegram_chat_id="", email="")
    assert told(broker) == [({one.pk, other.pk}, {"same_name", "fit_together"})]


def test_one_name_in_one_area(broker: Broker) -> None:
    one, other = (a_lead(broker, name="Inés Soto", location=place) for place in ("Lota", "LOTA"))
    assert told(broker) == [({one.pk, other.pk}, {"same_name", "same_location"})]


def test_one_name_alone_says_nothing(broker: Broker) -> None:
    for _ in range(2):
        a_lead(broker, name="Inés Soto")
    assert told(broker) == []


def test_first_names_say_nothing(broker: Broker) -> None:
    for _ in range(2):
        a_lead(broker, name="Inés", location="Lota")
    assert told(broker) == []


def test_link_that_was_opened_from_another_chat(broker: Broker) -> None:
    one, other = a_lead(broker), a_lead(broker, telegram_chat_id="4242")
    create_task(lead=one, title="One?", due_at=NOW, now=NOW, origin="telegram_link:4242")
    assert told(broker) == [({one.pk, other.pk}, {"chat_link"})]


def test_address_that_somebody_is_known_by_since_a_merge(broker: Broker) -> None:
    kept, gone = a_lead(broker), a_lead(broker)
    merge_leads(into=kept, from_=gone, now=NOW)
    other = a_lead(broker, email=gone.email)
    assert told(broker) == [({kept.pk, other.pk}, {"other_address"})]


def test_office_mailbox_says_nothing(broker: Broker) -> None:
    for _ in range(21):
        a_lead(broker, email="ventas@example.com")
    assert told(broker) == []


def test_deleted_and_merged_leads_are_nobodys_duplicates(broker: Broker) -> None:
    leads = [a_lead(broker, email="casa@example.com") for _ in range(3)]
    delete_lead(lead=leads[0], now=NOW)
    merge_leads(into=leads[1], from_=leads[2], now=NOW)
    assert told(broker) == []


def test_another_brokerage_has_its_own(broker: Broker) -> None:
    """failures.md row 33."""
    a_lead(broker, email="casa@example.com")
    a_lead(a_broker("boreal"), email="casa@example.com")
    assert told(broker) == []


def test_pair_that_is_none_is_not_listed_again(broker: Broker) -> None:
    one, other = (a_lead(broker, email="casa@example.com") for _ in range(2))
    said = say_not_duplicates(one=other, other=one, now=NOW)
    assert (told(broker), say_not_duplicates(one=one, other=other, now=NOW)) == ([], said)


def test_leads_of_two_brokerages_are_refused(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        say_not_duplicates(one=a_lead(broker), other=a_lead(a_broker("boreal")), now=NOW)
    assert refused.value.reason == "other_broker"


def pages(broker: Broker, limit: int) -> list[Pair]:
    found, after = [], None
    while page := possible_duplicates(broker=broker, after=after, limit=limit):
        found += page
        after = After.parse(str(page[-1].after))
    return found


def test_pages_are_the_whole_list_likeliest_first(broker: Broker) -> None:
    for number in range(3):
        for _ in range(3):
            a_lead(broker, email=f"casa{number}@example.com", name=f"Ana Uno {number}" if number else "Eva Dos")
    whole = possible_duplicates(broker=broker)
    assert len(whole) == 9
    assert pages(broker, 2) == whole
    assert [pair.score for pair in whole] == sorted((pair.score for pair in whole), reverse=True)


@pytest.mark.parametrize("pairs", [1, 3])
def test_list_costs_two_statements(broker: Broker, pairs: int) -> None:
    for number in range(pairs):
        for _ in range(2):
            a_lead(broker, email=f"casa{number}@example.com")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(possible_duplicates(broker=broker)) == pairs
    assert len(queries) == 2


def test_list_over_many_leads_reads_each_once(broker: Broker) -> None:
    """failures.md row 16: no look goes through all leads for each of them."""
    names = "'Ana ' || md5((i / 2)::text)"
    copies_of_lead(a_lead(broker), 20_000, name=names, email="'a' || (i / 3) || '@example.com'")
    analyze("leads_lead")
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + PAIRS, params_of(broker, After(), 50))
        [plan] = cursor.fetchone()[0]
    assert most_rows(plan["Plan"]) <= 4 * Lead.objects.count()


def most_rows(node: dict[str, object]) -> int:
    """The most that any part of the plan went through, all its rounds together."""
    own = int(node["Actual Rows"]) * int(node["Actual Loops"]) + int(node.get("Rows Removed by Filter", 0))  # type: ignore[call-overload]
    return max([own, *map(most_rows, node.get("Plans", []))])  # type: ignore[call-overload]
