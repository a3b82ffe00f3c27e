# Everything runs in .venv, made from pyproject.toml and constraints.txt alone.
PYTHON ?= python3
BIN := .venv/bin
EVERYTHING := local,vertex,emulator,data,scale,dev
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup everything quickstart ui test test-slow kills lint types docs benchmarks clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready ## create .venv with what local tuning needs
everything: .venv/.everything ## add what Vertex AI, big data and the tests need

# torch first and by its exact version: a range could pull in gigabytes of GPU packages.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[local]'
	touch $@

.venv/.everything: .venv/.ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(EVERYTHING)]'
	touch $@

quickstart: setup ## run the quickstart experiment: real LoRA tuning on this machine
	$(BIN)/sft run experiments/quickstart.yaml $(ARGS)

ui: setup ## open MLflow on what was run
	$(BIN)/sft ui

test: everything ## run the tests: offline, minutes
	$(BIN)/pytest -n 2 -m 'not slow' $(ARGS)

test-slow: everything ## run the tests that tune a real model (fetches its weights once)
	$(BIN)/pytest -m slow $(ARGS)

kills: everything ## kill a run at 200 random instants and compare with an unbroken one
	$(BIN)/python -m tests.acceptance.kills --kills 200 $(ARGS)

lint: everything ## style, with no changes made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: everything ## mypy, strict
	$(BIN)/mypy

docs: everything ## schema files and documented commands are up to date
	$(BIN)/pytest -q tests/test_docs.py

benchmarks: everything ## side-by-side measurements; takes a while
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/arm_overhead.py
	$(BIN)/python benchmarks/training_throughput.py
	$(BIN)/python benchmarks/prepare_stream.py

clean: ## remove the environment and everything that was run
	rm -rf .venv runs
