"""python -m bench [--quick] [SUITE …]; without a suite all of them."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from bench.report import main  # noqa: E402 - models want a set-up Django

main()
