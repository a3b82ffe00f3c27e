# Everything runs in .venv, made from pyproject.toml and constraints.txt alone.
PYTHON ?= python3
BIN := .venv/bin
EVERYTHING := local,vertex,emulator,data,scale,dev
ARGS ?=

# Some images tell Python not to keep what it has compiled; every process of a run would then
# compile torch, transformers and the runner anew: 9 CPU seconds each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup everything quickstart ui test test-slow kills lint types docs benchmarks clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready ## create .venv with what local tuning needs
everything: .venv/.everything ## add what Vertex AI, big data and the tests need

# uv installs in a fifth of pip's time; where it cannot be had, or cannot go on (a mirror that only pip
# is set up for), pip does the same. torch comes first: uv takes the build for what this machine has
# (without a GPU that is 2 instead of 5 GB), and what is installed then stays.
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
UV := $(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) uv 2>/dev/null || echo "uv cannot be installed: pip does it, which takes longer"
	$(UV) --torch-backend=auto torch 2>/dev/null || $(PIP) torch
	$(UV) -e '.[local]' 2>/dev/null || $(PIP) -e '.[local]'
	touch $@

.venv/.everything: .venv/.ready
	$(UV) -e '.[$(EVERYTHING)]' 2>/dev/null || $(PIP) -e '.[$(EVERYTHING)]'
	touch $@

quickstart: setup ## run the quickstart experiment: real LoRA tuning on this machine
	$(BIN)/sft run experiments/quickstart.yaml $(ARGS)

ui: setup ## open MLflow on what was run
	$(BIN)/sft ui

test: everything ## run the tests: offline, minutes
	$(BIN)/pytest -n 2 -m 'not slow' $(ARGS)

test-slow: everything ## run the tests that tune a real model (fetches its weights once)
	$(BIN)/pytest -n 2 -m slow $(ARGS)

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
