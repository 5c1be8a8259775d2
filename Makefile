PYTHON ?= python3
BIN := .venv/bin
REDOCLY_VERSION := 2.77.0
REDOCLY := build/redocly-$(REDOCLY_VERSION)/node_modules/.bin/redocly
REDOCLY_LINT := lint spec/openapi.yaml --extends=recommended-strict --format=stylish
export REDOCLY_TELEMETRY := off
export REDOCLY_SUPPRESS_UPDATE_NOTICE := true
# Without cached bytecode, each start of the tests compiles them and their tools again.
export PYTHONDONTWRITEBYTECODE :=
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What mutmut needs beside overlay/. Copies, because hatchling follows links and would pack what it finds.
MUTATED := tests spec scripts README.md pyproject.toml
# One more than there are processors, because many tests wait. Each file runs in one process.
WORKERS = $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow fuzz soak bench mutate coverage check lint types imports generate generate-check spec-check spec-lint spec-diff docs lock release-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/installed ## start tracking a package at the fake server, or at the real service (see README)
	@$(BIN)/python scripts/demo.py

test: .venv/developed ## run the tests
	@$(BIN)/python -m pytest -m 'not slow' --numprocesses $(WORKERS) --dist loadfile

test-slow: .venv/developed ## run the tests that take minutes: kills, memory, a browser, wheels, 10,000 random cases
	@$(BIN)/python -m pytest -m '(slow or hypothesis) and not soak' --hypothesis-profile=slow

fuzz: .venv/developed ## test the contract with 200,000 random cases, new ones each time: a quarter of an hour or more
	@$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz --numprocesses=auto

soak: .venv/developed ## make thousands of calls through network faults and rate limits: some minutes
	@$(BIN)/python -m pytest -m soak -s

bench: .venv/developed build/bench-venv/installed ## compare the speed with other clients: some minutes, on an idle machine
	@$(BIN)/python scripts/benchmark.py

mutate: .venv/developed ## change the overlay in each place and see whether a test fails: an hour or two, less when repeated
	@mkdir -p build/mutate && cd build/mutate && rm -rf src $(MUTATED) && cp -Rp ../../overlay src && \
		cp -Rp $(addprefix ../../,$(MUTATED)) . && \
		mutmut run --max-children 4 $(MUTANTS) && mutmut results && python scripts/mutation_score.py mutants

coverage: .venv/developed ## fail if the tests, slow ones included, miss a line or a branch of the overlay or the scripts
	@rm -rf build/coverage && mkdir -p build/coverage
	@coverage run -m pytest -m 'not soak' --numprocesses 2 --dist loadfile
	@coverage combine --quiet
	@coverage report

check: lint types imports generate-check spec-check spec-lint ## run all checks that are not tests

lint: .venv/developed ## check style and common mistakes with ruff
	@ruff check .
	@ruff format --check .

types: .venv/developed ## check types: mypy --strict, and pyright strict on the overlay and its uses
	@mypy
	@pyright

imports: .venv/developed ## check which part imports which
	@$(BIN)/python -m pytest tests/packaging/test_imports.py

generate: .venv/developed ## write generated/ from spec/openapi.yaml
	@$(BIN)/python scripts/generate.py

generate-check: .venv/developed ## fail if generated/ differs from what the spec generates
	@$(BIN)/python scripts/generate.py --check

spec-check: .venv/developed ## check the spec: YAML, OpenAPI, and this project's rules
	@yamllint --strict spec
	@$(BIN)/python scripts/spec.py
	@$(BIN)/python scripts/spec_rules.py

spec-lint: ## check the spec with Redocly's strictest rules (needs node 20 or newer)
	@if command -v npm >/dev/null; then $(MAKE) --silent --no-print-directory $(REDOCLY) && $(REDOCLY) $(REDOCLY_LINT); \
	elif [ "$$CI" = true ]; then echo 'spec-lint needs node and npm: apt-get install nodejs npm' >&2; exit 1; \
	else echo 'Skipped: spec-lint needs node and npm. spec-check does the rest.'; fi

spec-diff: .venv/developed ## say what changed in the spec since a git revision: make spec-diff BASE=HEAD^
	@$(BIN)/python scripts/spec_diff.py $(or $(BASE),HEAD)

docs: .venv/developed ## render the spec as one page: build/docs/index.html
	@$(BIN)/python scripts/docs.py

lock: .venv/developed ## pin the development tools again, after a change to pyproject.toml
	@uv pip compile --quiet --universal --python-version 3.11 --group dev --extra webhooks --extra cli \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --output-file requirements-dev.txt pyproject.toml

release-check: .venv/developed ## say whether a release can be made, and what is left to do: some minutes
	@$(BIN)/python scripts/release_check.py

clean: ## remove everything that make has created
	@rm -rf .venv build dist .*_cache .coverage .hypothesis
	@find . -name __pycache__ -prune -exec rm -r {} +

# Two steps, so that the first `make demo` does not wait for the development tools. Both use pinned versions. An
# environment whose creation was interrupted has no pip, and is created again.
.venv/installed: pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@echo 'Setting up .venv (once) …'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements-dev.txt --editable ".[webhooks,cli]"
	@touch $@

.venv/developed: .venv/installed
	@echo 'Installing the development tools (once) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-dev.txt
	@touch $@

build/bench-venv/installed: scripts/bench-requirements.txt requirements-dev.txt pyproject.toml
	@echo 'Installing what to compare with (once) …'
	@build/bench-venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv build/bench-venv
	@build/bench-venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint requirements-dev.txt --requirement scripts/bench-requirements.txt --editable ".[webhooks]"
	@touch $@

$(REDOCLY):
	@echo 'Installing Redocly (once) …'
	@npm install --silent --no-save --no-audit --no-fund --prefix build/redocly-$(REDOCLY_VERSION) @redocly/cli@$(REDOCLY_VERSION)
