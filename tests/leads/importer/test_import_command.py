"""`manage.py import_leads`: what it prints, and how it ends."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from leads.importer import writing
from leads.management.commands import import_leads as command
from leads.models import Lead
from tests.leads.importer.importing import Folder, the_lead

LINES = ("Ana;987654321;ana@example.com;;;;", "Luis;987654322;ana@example.com;;;;", "Mal;1;;;;;")


def call(*arguments: Any) -> str:
    out = StringIO()
    call_command("import_leads", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_command_prints_one_json_object(folder: Folder) -> None:
    path = folder.write(*LINES)
    assert json.loads(call(path, "--broker", "aurora", "--json")) == {
        "file": "leads.csv",
        "broker": "aurora",
        "dry_run": False,
        "known_file": False,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "merged": 0,
        "duplicates": 1,
        "consents": 0,
        "opt_outs": 0,
        "refused": 1,
        "lines": 3,
        "remarks": [],
        "errors_file": f"{path}.errors.csv",
    }


def test_command_tells_people_what_happened(folder: Folder) -> None:
    path = folder.write(*LINES, "Eva;12;eva@example.com;;;;")
    assert call(path, "--broker", "aurora").splitlines() == [
        "leads.csv: 4 lines",
        "          3  created: new leads",
        "          1  refused",
        "          1  of them possible duplicates: the same e-mail, another phone; two leads, both marked",
        "  phone: has 2 digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…) (1 lines, first line 5)",
        f"The refused lines and why: {path}.errors.csv",
    ]


def test_command_says_that_a_file_was_imported_before(folder: Folder) -> None:
    path = folder.write(*LINES)
    call(path, "--broker", "aurora")
    assert call(path, "--broker", "aurora").splitlines() == [
        "leads.csv was imported before; nothing was changed. Its 3 lines:",
        "          2  unchanged: imported before",
        "          1  refused",
    ]


def test_command_rehearses(folder: Folder) -> None:
    path = folder.write(*LINES)
    first, *_ = call(path, "--broker", "aurora", "--dry-run").splitlines()
    assert first == "leads.csv: 3 lines would come out as follows; nothing was written"
    assert Lead.objects.count() == 0


def test_command_takes_mappings_and_history(folder: Folder) -> None:
    path = folder.write("Ana;987654321;Ganado", header="A;B;C")
    call(path, "--broker", "aurora", "--mapping", "name=A", "phone=B", "--mapping", "stage=C", "--history")
    assert (the_lead().name, the_lead().phone, the_lead().pipeline_stage) == ("Ana", "+56987654321", "ganado")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["leads.csv", "--broker", "nobody"], "broker='nobody' does not exist"),
        (["none.csv", "--broker", "aurora"], "none.csv: No such file or directory"),
        (["leads.csv", "--broker", "aurora", "--mapping", "fono=Nombre"], "no such key 'fono'"),
        (["leads.csv", "--broker", "aurora", "--mapping", "phone"], "is not of the form key=column"),
    ],
)
def test_command_ends_with_one_sentence(folder: Folder, arguments: list[str], sentence: str) -> None:
    folder.write(*LINES)
    with pytest.raises(CommandError) as error:
        call(folder.path / arguments[0], *arguments[1:])
    assert sentence in str(error.value)
    assert error.value.returncode == 1
    assert Lead.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_command_that_is_interrupted_says_how_to_go_on(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder.write(*(f"Ana;98765{n:04d};;;;;" for n in range(30)))
    import_leads = command.import_leads

    def interrupted(*, progress: Any, **how: Any) -> Any:
        def show(report: Any, bytes_read: int) -> None:
            progress(report, bytes_read)
            if report.lines == 20:
                raise KeyboardInterrupt

        return import_leads(progress=show, batch_size=10, **how)

    monkeypatch.setattr(command, "import_leads", interrupted)
    with pytest.raises(CommandError) as error:
        call(path, "--broker", "aurora")
    assert str(error.value) == "Interrupted. 20 lines are in and stay; run the same command again to go on."
    assert (error.value.returncode, Lead.objects.count()) == (130, 20)
    monkeypatch.setattr(command, "import_leads", writing.import_leads)
    assert json.loads(call(path, "--broker", "aurora", "--json"))["created"] == 10
