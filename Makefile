# `make help` lists the targets. Python 3.11 or newer, Node.js 20 or newer and make are all that a machine needs.

PYTHON      ?= python3
DEMO        ?= examples.demo
EXAMPLE     ?= todo
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder
# What shows that the oldest versions do: each construct once, the whole service, HTTP, the write path, sending.
OLD_TESTS   := tests/constructs/test_acknowledge.py tests/constructs/test_composition.py \
    tests/constructs/test_service_compliance.py tests/unit/http/test_api.py \
    tests/runtime/test_command_service.py tests/runtime/test_repository.py \
    tests/unit/test_http_answer.py tests/unit/test_http_session.py
FAULTS      := tests/pipeline tests/faults tests/operations tests/security tests/models tests/sql tests/unit tests/e2e \
    tests/local tests/runtime tests/examples tests/event_store tests/features

BIN := .venv/bin
UV  := $(BIN)/uv
LOG  = .venv/$(notdir $@).log

# A stamp is newer than what it was made from, so a second run installs nothing.
PACKAGES := .venv/.packages
PROJECT  := .venv/.project
CLI      := node_modules/.package-lock.json
LOCAL    := .venv/.local-aws
LAYERS   := .venv/.layers
OLDEST   := .venv-oldest/.packages
COMPILED := .venv/.compiled
READY    := $(PACKAGES) $(PROJECT) $(CLI) $(LOCAL) $(LAYERS) $(OLDEST)

# Runs a command, and shows what it printed only when it fails.
quietly = mkdir -p .venv && { $(1); } >$(LOG) 2>&1 || { cat $(LOG) >&2; exit 1; }

# Compiled modules are kept, whatever the shell says: aws_cdk takes each process seconds to compile.
export PYTHONDONTWRITEBYTECODE :=

# jsii greets each process with eleven lines where Node.js is older or newer than what it supports.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION ?= 20
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION    ?= 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test pytest unit oldest faults soak bench lint types format build audit lock clean

help: ## Show this list
	@echo 'Usage: make TARGET [VARIABLE=value]'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  PYTHON       the interpreter to build .venv from; now $(PYTHON)'
	@echo '  PYTEST_ARGS  what pytest is given; now $(PYTEST_ARGS)'

setup: $(READY) $(COMPILED) ## Install everything into .venv, node_modules and .local-aws; what follows needs no network
	@echo 'Ready: make demo, make test'

demo: $(READY) ## Deploy the example to an AWS on this machine and send it commands; KEEP=1 leaves it running
	@KEEP='$(KEEP)' EXAMPLE='$(EXAMPLE)' $(BIN)/python -m $(DEMO)

test: lint ## Run lint, types, every test, and a choice of them with the oldest versions
	@$(MAKE) --no-print-directory --jobs 2 types pytest oldest

# Beside the type checker, which takes one processor a minute where it knows nothing of the last run.
pytest: $(READY) $(COMPILED)
	@echo '==> pytest $(PYTEST_ARGS)'
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

unit: $(READY) $(COMPILED) ## Run the tests that deploy nothing
	@echo '==> pytest'
	@$(BIN)/python -m pytest --ignore=tests/e2e --ignore=tests/faults --ignore=tests/local $(PYTEST_ARGS)

oldest: $(OLDEST) ## Run a choice of tests with the oldest versions that pyproject.toml declares
	@echo '==> pytest, oldest versions'
	@.venv-oldest/bin/python -m pytest -q -p no:cacheprovider -m 'not newest' \
	    -k 'not dynamodb and not recommended and not minimal' $(OLD_TESTS)

faults: $(READY) $(COMPILED) ## Run the fault harness and the attacks in full; `make test` runs a short form of them
	@echo '==> pytest $(FAULTS), in full'
	@CQRS_FAULTS=complete $(BIN)/python -m pytest $(FAULTS) $(PYTEST_ARGS)

soak: $(READY) ## Send 50 000 commands through a deployed stack, and check every row of it
	@$(BIN)/python -m tests.faults.soak

bench: $(READY) ## Measure cost and speed: tables, JSON files in build/bench, docs/performance.md; some ten minutes
	@$(BIN)/python -m bench

lint: $(READY) ## Check style, imports and layers, and that no file names a host or a folder of one machine
	@echo '==> ruff check'
	@$(BIN)/ruff check --quiet --output-format concise
	@echo '==> ruff format --check'
	@$(BIN)/ruff format --check --quiet --output-format concise || { echo 'to mend it: make format' >&2; exit 1; }
	@echo '==> import rules'
	@$(call quietly,$(BIN)/lint-imports --no-logo)
	@$(BIN)/python tools/check-imports
	@$(BIN)/python tools/check-store-port
	@echo '==> hosts and paths'
	@tools/check-files

types: $(READY) ## Check types with mypy, strictly
	@echo '==> mypy'
	@$(BIN)/mypy

format: $(READY) ## Mend what ruff can mend, and format
	@$(BIN)/ruff check --fix --quiet --output-format concise || true
	@$(BIN)/ruff format

build: $(READY) ## Build the wheel and the source distribution into dist, and lists (SBOM) of what they and the layer need
	@echo '==> hatchling'
	@rm -rf dist
	@$(BIN)/hatchling build
	@echo '==> CycloneDX'
	@$(BIN)/python tools/sbom dist

audit: $(READY) ## Look every locked package up for known vulnerabilities; fails where it cannot, for want of a network
	@$(BIN)/python tools/audit

lock: $(PACKAGES) ## Write the lock files anew from their sources; UPGRADE=1 takes the newest versions
	@UPGRADE='$(UPGRADE)' PATH="$(CURDIR)/$(BIN):$$PATH" tools/lock

clean: ## Remove everything that these targets made
	@rm -rf .venv .venv-oldest node_modules .local-aws .cache cdk.out dist build *.egg-info
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PACKAGES): requirements/dev.txt
	@tools/check-machine $(PYTHON)
	@echo '==> Python packages'
	@$(BIN)/python -c '' 2>/dev/null || rm -rf .venv
	@test -x $(BIN)/python || { $(call quietly,$(PYTHON) -m venv .venv); }
	@sed -n '/^uv==/,/# via/p' $< >.venv/uv.txt  # uv installs the rest thirty times as fast as pip
	@test -x $(UV) || { $(call quietly,$(BIN)/python -m pip install --require-hashes -r .venv/uv.txt); }
	@$(call quietly,$(UV) pip install --python $(BIN)/python --require-hashes -r $<)
	@touch $@

$(OLDEST): requirements/oldest.txt $(PACKAGES)
	@echo '==> Python packages, the oldest versions'
	@mkdir -p .venv-oldest
	@$(call quietly,$(UV) venv --clear --python $(BIN)/python .venv-oldest)
	@$(call quietly,$(UV) pip install --python .venv-oldest/bin/python --require-hashes -r $<)
	@touch $@

$(PROJECT): pyproject.toml $(PACKAGES)
	@$(call quietly,$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .)
	@touch $@

$(CLI): package-lock.json package.json $(PACKAGES)
	@tools/check-machine $(PYTHON)
	@echo '==> CDK CLI'
	@$(call quietly,npm ci --loglevel=error)
	@touch $@

$(LOCAL): constructs_lib/local/requirements.txt $(PROJECT)
	@echo '==> AWS emulator'
	@$(call quietly,$(BIN)/python -m constructs_lib.local setup)
	@touch $@

$(LAYERS): constructs_lib/layers/runtime-requirements.txt examples/todo/requirements.txt examples/product/requirements.txt $(PROJECT) $(CLI)
	@echo '==> Lambda layers'
	@$(call quietly,$(BIN)/python tools/fill-layer-cache)
	@touch $@

# One process compiles what each process of the tests imports: three at once would each compile all of it.
# Where that fails, pytest says why.
$(COMPILED): $(PACKAGES) $(PROJECT)
	@echo '==> Compiled modules'
	@$(BIN)/python -m pytest --collect-only -q -p no:syrupy -p no:cacheprovider >/dev/null 2>&1 || true
	@touch $@
