# Everything a new machine needs, a command at a time. `make demo` and `make test` do their own set-up.
PYTHON ?= python3
VENV   := .venv
RIG    := $(VENV)/bin/rig

.PHONY: demo test lint setup clean

demo: setup
	$(RIG) demo --out runs/demo

test: setup
	CHROMIUM=1 tools/setup
	$(VENV)/bin/ruff check rig tests tools
	$(VENV)/bin/python -m pytest

lint: setup
	$(VENV)/bin/ruff check rig tests tools
	$(VENV)/bin/ruff format --check rig tests tools

setup:
	@PYTHON=$(PYTHON) tools/setup

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
