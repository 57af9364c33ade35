# What people do with this checkout. Every target first sets up what it needs; once done, that takes a blink.

PYTEST = .venv/bin/python -m pytest
PRAMAAN = .venv/bin/pramaan

.DEFAULT_GOAL := help
.PHONY: help setup dev tools run down test test-all test-clock test-debian lint bench messages lock env

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: ## Install system packages and the Python environment that are missing
	@bash setup.sh

dev: setup
	@bash setup.sh dev

tools: dev
	@bash setup.sh tools

run: setup ## Start the platform here and issue the certificates of the bundled sample
	@$(PRAMAAN) up --sample

down: setup ## Stop everything that runs for this checkout's home
	@$(PRAMAAN) down

# Two workers a core: many tests wait, for Airflow or a process of their own to start.
WORKERS = $(shell echo $$((2 * $$(nproc))))

test: tools ## Run the test suite; ARGS='-m "not slow and not long"' for the quick tests alone
	@$(PYTEST) -n $(WORKERS) -m "not long" $(ARGS)

test-all: test ## Run the test suite and the long chaos and soak tests
	@$(PYTEST) -m long --timeout=3600 $(ARGS)

test-clock: tools ## Run what depends on the calendar at every hour and at ends of months; HOURS="0 18", INSTANTS=...
	@HOURS="$(HOURS)" INSTANTS="$(INSTANTS)" .venv/bin/python tests/clock/run.py $(ARGS)

test-debian: ## Set up and run the quick tests in a bare Debian, with its own Python; RELEASE=trixie (3.13); needs root
	@bash tests/debian/run.sh $(or $(RELEASE),trixie) $(ARGS)

lint: dev ## Check style, types, imports and SQL; changes nothing, needs no network
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/sqlfluff lint dbt --processes 0 --disable-progress-bar

bench: tools ## Run the benchmarks
	@$(PRAMAAN) bench $(ARGS)

messages: setup ## Bring the catalogues of translated texts up to date with the source texts
	@.venv/bin/python -m pramaan.localisation.messages

lock: setup ## Compile requirements.txt and requirements-dev.txt; ARGS=--upgrade for newer versions
	@bash setup.sh lock $(ARGS)
	@bash setup.sh python

env: ## Write .env with random secrets for docker compose, unless it is there
	@bash include/docker/make-env.sh
