# `make run` and `make test` need Python 3.11 or later and nothing else. Each makes .venv if there is none and installs
# what it needs, with hashes checked: requirements.lock to run, requirements-dev.lock on top of it to test.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev

.DEFAULT_GOAL := help
.PHONY: help run sample test lint types validate check lock docs screenshot bench bench-lock bench-paces bench-quiet bench-parser bench-intake fuzz faults mutations soak clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "imr-intake needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock -r deploy/build.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(READY)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

run: $(READY) ## Run everything on ./share (SAMPLE=1 drops a few sample letters, one of them broken).
	@$(BIN)/imr up $(if $(SAMPLE),--sample) $(ARGS)

sample: ## The same as `make run SAMPLE=1`.
	@$(MAKE) --no-print-directory run SAMPLE=1

test: $(DEV) ## The whole suite, with real servers and processes (TESTS=path for a part).
	$(BIN)/python -m pytest -n $(or $(PROCESSES),2) --dist loadfile $(TESTS)

lint: $(DEV) ## ruff: rules and formatting.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV) ## mypy, strict.
	$(BIN)/mypy

validate: $(DEV) ## compose.yaml, manifests and units against their schemas.
	$(BIN)/python -m pytest tests/deploy

check: lint types test ## Everything that CI runs.

PIN := $(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --no-annotate

lock: $(DEV) ## Pin the newest dependencies, with hashes and without addresses.
	$(PIN) --all-extras --output-file requirements-dev.lock
	$(PIN) --extra local --extra flower --constraint requirements-dev.lock --output-file requirements.lock
	$(PIN) --extra flower --constraint requirements-dev.lock --output-file deploy/requirements.lock

BENCH := tests/benchmarks/throughput
bench-lock: $(DEV)
	printf 'dramatiq[redis]\nhuey\ntaskiq\ntaskiq-redis\n' | $(BIN)/uv pip compile --quiet - --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file $(BENCH)/rivals.lock
	printf 'pathway\n' | $(BIN)/uv pip compile --quiet - --constraint $(BENCH)/rivals.lock --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file $(BENCH)/pathway.lock

docs: $(DEV) ## Write the generated parts of the documentation and of deploy/env.example.
	$(BIN)/python -m tests.docs.generate
	$(BIN)/python -m tests.deploy.test_env_example

screenshot: $(DEV) ## Run `imr up` on a share of its own and write docs/imr-up.svg from its terminal (under a minute).
	$(BIN)/python -m tests.docs.screenshot

bench: $(DEV) ## This system against bare loops, naive Celery and other queues (12 to 27 minutes; QUICK=1: two, writes nothing).
	$(BIN)/python -m tests.benchmarks.throughput $(if $(QUICK),--quick --no-rivals) $(ARGS)

bench-paces: $(DEV) ## Latency and cost from 20 to 1,500 letters a second, beside naive Celery (about 2 minutes).
	$(BIN)/python -m tests.benchmarks.throughput.paces $(ARGS)

bench-quiet: $(DEV) ## What an idle system costs, with 10,000 archived letters (MINUTES=n, by default 60).
	$(BIN)/python -m tests.benchmarks.throughput.quiet --minutes $(or $(MINUTES),60)

bench-parser: $(DEV) ## Letters per second of the parser, against baselines in the same run (about 2 minutes).
	$(BIN)/python -m tests.benchmarks.parser

bench-intake: $(DEV) ## A flood of 200,000 files, and the cost of watching idle folders (4 to 10 minutes; ARGS=--help).
	$(BIN)/python -m tests.benchmarks.intake $(ARGS)

fuzz: $(DEV) ## 100,000 mutated letters through the parser (SEED=n, CASES=n; about 10 minutes).
	$(BIN)/python -m tests.letter.fuzz --cases $(or $(CASES),100000) --seed $(or $(SEED),1)

faults: $(DEV) ## Every failpoint with every action, broken connections, a broken and a forgetful Redis (about 15 minutes).
	$(BIN)/python -m tests.faults.torn
	$(BIN)/python -m tests.faults.matrix $(ARGS)

mutations: $(DEV) ## Remove one safety line at a time: the tests must fail (about 3 minutes).
	$(BIN)/python -m tests.faults.mutations $(ARGS)

soak: $(DEV) ## Random faults of every kind on at least 10,000 letters (MINUTES=60, SEED=n; at least 10 minutes).
	$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1)

clean: ## Remove the environment and caches; never the share.
	rm -rf $(VENV) .bench-venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
