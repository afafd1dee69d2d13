from typing import Any

from brokers.commands import Command as BaseCommand
from leads.models import Lead, Stage


class Command(BaseCommand):
    help = "Print the pipeline: every transition with where it leads from and to, as a table and as Graphviz dot."
    example = "manage.py pipeline_graph | dot -Tsvg > pipeline.svg"

    def perform(self, **options: Any) -> None:
        moves = sorted(_moves(), key=lambda move: [Stage.values.index(stage) for stage in move[:2]])
        lines = [f'  "{start}" -> "{end}" [label="{name}"];' for start, end, name in moves]
        data = {"transitions": [dict(zip(("from", "to", "name"), move, strict=True)) for move in moves]}
        dot = "\n".join(["digraph pipeline {", *lines, "}"])
        self.answer(data, dot, as_json=options["json"])


def _moves() -> list[tuple[str, str, str]]:
    """Every transition of the table; `correct`, which leads anywhere, is left out."""
    lead = Lead(pipeline_stage=Stage.ENTRADA)
    return [
        (str(move.source), str(move.target), move.name)
        for move in lead.get_all_pipeline_stage_transitions()
        if move.name != "correct"
    ]
