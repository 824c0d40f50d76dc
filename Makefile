# `make run` and `make test` need Python 3.11 or later and nothing else: the first one called makes .venv from
# requirements.lock, hashes checked.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help run sample test lint types validate check lock docs bench-parser fuzz clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "imr-intake needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY) ## Run everything on ./share (SAMPLE=1 drops a few sample letters, one of them broken).
	@$(BIN)/imr up $(if $(SAMPLE),--sample) $(ARGS)

sample: ## The same as `make run SAMPLE=1`.
	@$(MAKE) --no-print-directory run SAMPLE=1

test: $(READY) ## The whole suite, with real servers and processes (TESTS=path for a part).
	$(BIN)/python -m pytest $(TESTS)

lint: $(READY) ## ruff: rules and formatting.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict.
	$(BIN)/mypy

validate: $(READY) ## compose.yaml, manifests and units against their schemas.
	$(BIN)/python -m pytest tests/deploy

check: lint types test ## Everything that CI runs.

lock: $(READY) ## Pin the dependencies anew, with hashes and without addresses.
	$(BIN)/uv pip compile --quiet pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --output-file requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --extra flower --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --output-file deploy/requirements.lock

docs: $(READY) ## Write the generated parts of the docs and the README anew.
	$(BIN)/python -m tests.docs.generate

bench-parser: $(READY) ## Letters per second of the parser, against baselines in the same run (about 2 minutes).
	$(BIN)/python -m tests.benchmarks.parser

fuzz: $(READY) ## 100,000 mutated letters through the parser (SEED=n, CASES=n; about 10 minutes).
	$(BIN)/python -m tests.letter.fuzz --cases $(or $(CASES),100000) --seed $(or $(SEED),1)

clean: ## Remove the environment and caches; never the share.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
