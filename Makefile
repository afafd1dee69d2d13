# `make up` runs Embudo on a machine that has nothing but Python 3.11 or newer, with venv, and make.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
RUN := PYTHONUNBUFFERED=1 $(VENV)/bin/python
# A stamp a set of packages, so that another set (another branch, a pull) is installed by itself.
PRODUCT := $(VENV)/installed-$(shell cat requirements.txt | cksum | cut -d ' ' -f 1)
TOOLS := $(VENV)/installed-dev-$(shell cat requirements.txt requirements-dev.txt | cksum | cut -d ' ' -f 1)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --no-input --quiet
COMPILE := $(VENV)/bin/python -m uv --quiet pip compile --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --upgrade

define ENVIRONMENT
@test -n '$(PYTHON)' || { \
	echo "Embudo needs Python 3.11 or newer; this machine has $$(command -v python3 >/dev/null && python3 --version || echo none)."; exit 1; }
@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || { \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'Embudo needs the venv module of Python (on Debian and Ubuntu: apt install python3-venv).'; exit 1; }; \
	echo "Making $(VENV) with $$($(PYTHON) --version)"; \
	$(PYTHON) -m venv --clear $(VENV); }
endef

.NOTPARALLEL:
.PHONY: help up demo test lint fmt bench messages requirements

help:
	@echo 'make up            Embudo on this machine: database, demo brokerage (the first time), web and engine'
	@echo 'make demo          a demo brokerage, its campaigns run over a fortnight, and what became of it'
	@echo '               PROVIDERS=peers: over the real adapters, against servers on this machine that speak as'
	@echo '               Telegram, Twilio and a mail server do'
	@echo 'make test          everything: make lint, then the tests'
	@echo 'make lint          style, types, templates, imports'
	@echo 'make fmt           puts the code in shape'
	@echo 'make bench         the speeds beside their physical floors; writes bench/results.json (docs/bench.md)'
	@echo 'make messages      collects and compiles the texts to translate (needs GNU gettext)'
	@echo 'make requirements  newest versions that fit, with hashes'

up: $(PRODUCT)
	@echo 'Preparing the database'
	@$(RUN) manage.py migrate --verbosity 0
	@$(RUN) manage.py collectstatic --no-input --verbosity 0
	@$(RUN) manage.py demo --once
	@echo 'Starting web and engine; Ctrl-C stops both'
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" PYTHONUNBUFFERED=1 exec $(VENV)/bin/python -m honcho start

ifeq ($(PROVIDERS),peers)
demo: $(TOOLS)
	@$(RUN) -m tests.peers.demo
else
demo: $(PRODUCT)
	@test -z '$(PROVIDERS)' || { echo 'PROVIDERS=$(PROVIDERS) is not allowed; use PROVIDERS=peers, or nothing'; exit 1; }
	@echo 'Preparing the database'
	@$(RUN) manage.py migrate --verbosity 0
	@$(RUN) manage.py demo
endif

test: lint
	$(RUN) -m pytest --numprocesses logical --maxprocesses 6

lint: $(TOOLS)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check --quiet .
	$(RUN) -m mypy
	$(RUN) -m djlint --quiet --lint --check templates
	$(VENV)/bin/python -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

fmt: $(TOOLS)
	$(RUN) -m ruff check --fix --quiet . || true
	$(RUN) -m ruff format .
	$(RUN) -m djlint --quiet --reformat templates || true

bench: $(TOOLS)
	$(RUN) -m bench

messages: $(TOOLS)
	@command -v xgettext >/dev/null || { echo 'make messages needs GNU gettext (on Debian: apt install gettext)'; exit 1; }
	$(RUN) manage.py makemessages --locale es --no-obsolete \
		--ignore '.venv/*' --ignore 'var/*' --ignore 'tests/*' --ignore 'bench/*'
	msgfmt --check --statistics --output-file locale/es/LC_MESSAGES/django.mo locale/es/LC_MESSAGES/django.po

requirements: $(TOOLS)
	$(PIP) install uv
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) requirements-dev.in --output-file requirements-dev.txt

$(PRODUCT):
	$(ENVIRONMENT)
	@echo 'Installing what Embudo needs into $(VENV)'
	@$(PIP) install --require-hashes --requirement requirements.txt
	@touch $@

$(TOOLS):
	$(ENVIRONMENT)
	@echo 'Installing what Embudo and its tests need into $(VENV)'
	@$(PIP) install --require-hashes --requirement requirements.txt --requirement requirements-dev.txt
	@touch $@
