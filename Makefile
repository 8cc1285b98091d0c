# Everything a new machine needs, a command at a time. `make demo` and `make test` do their own set-up.
PYTHON ?= python3
VENV   := .venv
RIG    := $(VENV)/bin/rig
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest

.PHONY: demo afternoon test test-all lint setup clean

demo: setup
	$(RIG) demo --out runs/demo

# from board to report, before the virtual lab's camera
afternoon: setup
	$(VENV)/bin/python tools/afternoon.py --out runs/afternoon

test: setup
	CHROMIUM=1 tools/setup
	$(VENV)/bin/ruff check rig tests tools
	$(PYTEST) -n 2 --dist loadscope

# also the official ONNX operator tests
test-all: test
	$(PYTEST) -m onnx_backend

lint: setup
	$(VENV)/bin/ruff check rig tests tools
	$(VENV)/bin/ruff format --check rig tests tools

setup:
	@PYTHON=$(PYTHON) tools/setup

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
