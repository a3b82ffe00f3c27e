# Everything runs in .venv, made from pyproject.toml and constraints.txt alone.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= local,dev
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup quickstart ui test test-slow kills lint types docs benchmarks clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready ## create .venv with everything in it

# torch first and by its exact version: a range could pull in gigabytes of GPU packages.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

quickstart: setup ## run the quickstart experiment: real LoRA tuning on this machine
	$(BIN)/sft run experiments/quickstart.yaml $(ARGS)

ui: setup ## open MLflow on what was run
	$(BIN)/sft ui

test: setup ## run the tests: offline, minutes
	$(BIN)/pytest -n 2 -m 'not slow' $(ARGS)

test-slow: setup ## run the tests that tune a real model (fetches its weights once)
	$(BIN)/pytest -m slow $(ARGS)

kills: setup ## kill a run at 200 random instants and compare with an unbroken one
	$(BIN)/python -m tests.acceptance.kills --kills 200 $(ARGS)

lint: setup ## style, with no changes made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy, strict
	$(BIN)/mypy

docs: setup ## schema files and documented commands are up to date
	$(BIN)/pytest -q tests/test_docs.py

benchmarks: setup ## side-by-side measurements; takes a while
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/arm_overhead.py
	$(BIN)/python benchmarks/training_throughput.py
	$(BIN)/python benchmarks/prepare_stream.py

clean: ## remove the environment and everything that was run
	rm -rf .venv runs
