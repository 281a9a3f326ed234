# Every target sets up what it needs: `make demo` and `make test` work from a fresh clone.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# On a Jetson: make test VENV_FLAGS=--system-site-packages CONSTRAINTS=
# The environment then sees JetPack's TensorRT; the pins are for Python 3.11, JetPack 6 has 3.10.
VENV_FLAGS ?=
CONSTRAINTS ?= -c constraints.txt

BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all lint format clean

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(READY)  ## make .venv with the pinned versions

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV_FLAGS) .venv
	$(BIN)/python -m pip install -q $(CONSTRAINTS) -e '.[dev]'
	@touch $(READY)

demo: $(READY)  ## the whole loop on generated video: adapt, export, run, report in demo/
	$(BIN)/sa3dhp-edge demo --out demo

test: $(READY)  ## the fast tests
	$(BIN)/python -m pytest -m "not slow"

test-all: $(READY)  ## every test that this machine can run
	$(BIN)/python -m pytest

lint: $(READY)  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## apply the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv, caches and the demo's output
	rm -rf .venv build dist demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
