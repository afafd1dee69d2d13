"""python -m bench [--quick] [SUITE …]; without a suite all of them."""

import os
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# What is measured is due on every day, holidays too, whatever the law of a place says; its own processes inherit it.
os.environ["JURISDICTIONS_FILE"] = str(Path(__file__).parent.parent / "tests" / "lawless.yaml")
django.setup()

from bench.report import main  # noqa: E402 - models want a set-up Django

main()
