# Every target makes its own .venv and installs what it needs, so that the first command on a fresh machine works.
# It needs Python 3.11 or newer with its venv module, make and git. PYTHON=/path/to/python chooses the Python.

SHELL := /bin/sh
.DEFAULT_GOAL := help
# How often `make faults` runs the fault suite, each time with another seed.
RUNS ?= 1
.PHONY: help demo test faults measure-loss bench bench-controller lint tools verify generate images clean

VENV := .venv
BIN := $(VENV)/bin
# What `make test PYTEST_ARGS='-k barrier'` adds to pytest's command line.
PYTEST_ARGS ?=
# What `make bench BENCH_ARGS='--quick --only handover'` adds to the benchmarks' command line.
BENCH_ARGS ?=
BENCH := .venv-bench
# What `make images` builds with, and what the images are called before their names.
DOCKER ?= docker
IMAGES ?= konductor
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

help: ## say what the targets do
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

demo: $(VENV)/.local ## run the ETL pipeline of examples/ on this machine
	$(BIN)/koncli local run examples/etl-pipeline --then 'load-data --report --target=etl-data-pvc/warehouse.db'

test: $(VENV)/.all ## run the tests; those that need a redis-server skip without one, unless CI=true
	$(BIN)/python -m pytest --ignore tests/faults $(PYTEST_ARGS)

faults: $(VENV)/.all ## run the fault suite, RUNS times with a seed each; KONDUCTOR_FAULT_SEED repeats one
	@for run in $$(seq $(RUNS)); do \
	  echo "fault suite, run $$run of $(RUNS)"; \
	  $(BIN)/python -m pytest tests/faults $(PYTEST_ARGS) || exit 1; \
	done

measure-loss: $(VENV)/.all ## measure what a failover loses with and without KONDUCTOR_MIN_REPLICAS; ROUNDS=10
	$(BIN)/python -m tests.faults.measure $(ROUNDS)

bench: $(BENCH)/.bench ## measure speed beside peers, for about eight minutes; results and how to read them: docs/performance.md
	$(BENCH)/bin/python -m benchmarks $(BENCH_ARGS)

bench-controller: $(VENV)/.all ## measure what the controller costs, for about four minutes; BENCH_ARGS=--quick for one
	$(BIN)/python -m benchmarks.controller $(BENCH_ARGS)

lint: $(VENV)/.all ## ruff, mypy, import-linter, and luacheck where it is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.lint_lua

generate: $(VENV)/.all tools ## write the files that are made from the code
	$(BIN)/python -m tools.generate

verify: $(VENV)/.all tools ## fail if a generated file differs from what the code would write
	$(BIN)/python -m tools.generate --check

images: ## build both images with docker; DOCKER=podman and IMAGES=registry.example/konductor choose others
	$(DOCKER) build -f deploy/Dockerfile --target full -t $(IMAGES)/konductor:$(VERSION) .
	$(DOCKER) build -f deploy/Dockerfile --target slim -t $(IMAGES)/konductor-slim:$(VERSION) .

tools: $(VENV)/.all ## install helm and kubectl into the virtual environment, where they are missing
	@$(BIN)/python -m tools.binaries

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) $(BENCH) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each set of extras; a change of pyproject.toml installs again.
$(VENV)/.local $(VENV)/.all: $(VENV)/.%: pyproject.toml $(VENV)/.made
	@echo "installing konductor[$*] into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

# The peers in an environment of their own. redis-semaphore-eval asks for an old redis-py, but works with the present one.
$(BENCH)/.bench: pyproject.toml $(BENCH)/.made
	@echo "installing konductor[bench] into $(BENCH)"
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps redis-semaphore-eval==0.3.0
	@touch $@

# The first Python that is new enough, whatever it is called.
$(VENV)/.made $(BENCH)/.made: %/.made:
	@for python in $(PYTHON) python3 python python3.14 python3.13 python3.12 python3.11; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Konductor needs Python 3.11 or newer; found $$(python3 --version 2>/dev/null || echo none). Install one, or say: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	"$$python" -m venv $* || { rm -rf $*; \
	  echo "$$python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@
