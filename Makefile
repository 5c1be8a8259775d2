PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
N := 20
PYTHONS := 3.11 3.12 3.13 3.14
REDOCLY_VERSION := 2.77.0
REDOCLY := build/redocly-$(REDOCLY_VERSION)/node_modules/.bin/redocly
REDOCLY_LINT := lint spec/openapi.yaml --config=redocly.yaml --format=stylish
export REDOCLY_TELEMETRY := off
export REDOCLY_SUPPRESS_UPDATE_NOTICE := true
# Without cached bytecode, each start of the tests compiles them and their tools again.
export PYTHONDONTWRITEBYTECODE :=
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What mutmut needs besides overlay/. Copies, because hatchling follows symlinks and would pack their targets.
MUTATED := tests spec scripts README.md pyproject.toml
VERSION = $(shell $(BIN)/python -c 'import shipengine_tracking; print(shipengine_tracking.__version__)')
# One more than there are processors, because many tests wait. Each file runs in one process.
WORKERS = $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z-]+):.* \#\# .*/\1/p' Makefile)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/installed ## walk through a subscription on a fake server, or call the real service (see README)
	@$(BIN)/python scripts/demo.py

test: $(VENV)/developed ## run the tests
	@$(BIN)/python -m pytest -m 'not slow' --numprocesses $(WORKERS) --dist loadfile

test-pythons: .venv/developed ## run the tests on each installed Python from 3.11 to 3.14
	@$(BIN)/python scripts/pythons.py $(PYTHONS)

test-repeat: .venv/developed ## run the tests 20 times under CPU load, or N times: make test-repeat N=5
	@mkdir -p build; while :; do :; done & first=$$!; while :; do :; done & second=$$!; \
	trap "kill $$first $$second 2>/dev/null" EXIT; trap 'exit 130' INT TERM; failed=0; \
	for run in $$(seq $(N)); do \
		echo "Run $$run of $(N)"; \
		$(MAKE) --silent test >build/test-repeat.txt 2>&1 || { failed=$$((failed + 1)); cat build/test-repeat.txt; }; \
	done; \
	echo "$$failed of $(N) runs failed"; [ $$failed -eq 0 ]

test-slow: .venv/developed ## run the slow tests (minutes): killed runs, memory, a browser, wheels, 10,000 random cases
	@$(BIN)/python -m pytest -m '(slow or hypothesis) and not soak' --hypothesis-profile=slow

fuzz: .venv/developed ## test the contract with 200,000 random cases, different each time (15 minutes or more)
	@$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz --numprocesses=auto

soak: .venv/developed ## make thousands of calls through network faults and rate limits (takes minutes)
	@$(BIN)/python -m pytest -m soak -s

bench: .venv/developed ## compare the speed with httpx and aiohttp (takes minutes; use an idle machine)
	@$(BIN)/python scripts/benchmark.py

mutate: .venv/developed ## run mutation testing on the overlay (takes one to two hours, less when repeated)
	@mkdir -p build/mutate && cd build/mutate && rm -rf src $(MUTATED) && cp -Rp ../../overlay src && \
		cp -Rp $(addprefix ../../,$(MUTATED)) . && \
		mutmut run --max-children 4 $(MUTANTS) && mutmut results && python scripts/mutation_score.py mutants

coverage: .venv/developed ## measure the test coverage of overlay and scripts; fail below 100% (takes minutes)
	@rm -rf build/coverage && mkdir -p build/coverage
	@coverage run -m pytest -m 'not soak' --numprocesses 2 --dist loadfile
	@coverage combine --quiet
	@coverage report

check: lint types imports generate-check spec-check spec-lint ## run all checks that are not tests

lint: .venv/developed ## check style and common mistakes with ruff
	@ruff check .
	@ruff format --check .

types: .venv/developed ## check types: mypy --strict, and pyright strict on the overlay and tests/typing_uses.py
	@mypy
	@pyright

imports: .venv/developed ## check the import rules
	@$(BIN)/python -m pytest tests/packaging/test_imports.py

generate: .venv/developed ## write generated/ from spec/openapi.yaml
	@$(BIN)/python scripts/generate.py

generate-check: .venv/developed ## fail if generated/ differs from what the spec generates
	@$(BIN)/python scripts/generate.py --check

spec-check: .venv/developed ## check the spec: YAML, OpenAPI, and this project's rules
	@yamllint --strict spec redocly.yaml
	@$(BIN)/python scripts/spec_rules.py

spec-lint: ## check the spec and its examples with Redocly's strictest rules (needs node 20 or newer)
	@if command -v npm >/dev/null; then $(MAKE) --silent --no-print-directory $(REDOCLY) && $(REDOCLY) $(REDOCLY_LINT); \
	elif [ "$$CI" = true ]; then echo 'spec-lint needs node and npm: apt-get install nodejs npm' >&2; exit 1; \
	else echo 'Skipped: spec-lint needs node and npm. CI runs it.'; fi

spec-outline: .venv/developed ## print the spec as sorted lines: operations, parameters, responses, members, enum values
	@$(BIN)/python scripts/spec_outline.py

spec-diff: .venv/developed ## print what changed in the outline since a git revision: make spec-diff BASE=HEAD^
	@$(BIN)/python scripts/spec_outline.py $(or $(BASE),HEAD)

docs: .venv/developed ## render the spec as one page: build/docs/index.html
	@$(BIN)/python scripts/docs.py

lock: .venv/developed ## update requirements-dev.txt after a change to pyproject.toml
	@uv pip compile --quiet --universal --python-version 3.11 --group dev --extra webhooks --extra cli \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		--output-file requirements-dev.txt pyproject.toml

release-check: .venv/developed ## check that this revision can be released, and build it (takes minutes)
	@git diff --quiet HEAD || { echo 'Commit the changes first.' >&2; exit 1; }
	@! git rev-parse --quiet --verify v$(VERSION) >/dev/null || \
		{ echo 'v$(VERSION) exists: raise the version.' >&2; exit 1; }
	@grep -q '^## \[$(VERSION)\] - [0-9-]*$$' CHANGELOG.md || \
		{ echo 'CHANGELOG.md needs a section: ## [$(VERSION)] - YYYY-MM-DD' >&2; exit 1; }
	@! awk '/^## /{new = /Unreleased/; next} new' CHANGELOG.md | grep -q . || \
		{ echo 'Move what CHANGELOG.md lists under [Unreleased] to [$(VERSION)].' >&2; exit 1; }
	@$(MAKE) --no-print-directory check test
	@rm -rf build/release && python -m build --no-isolation --outdir build/release
	@RELEASE=build/release python -m pytest -m slow tests/packaging/test_wheel.py
	@uv venv --quiet --clear build/release-venv
	@uv pip install --quiet --python build/release-venv "$$(echo build/release/*.whl)[webhooks]"
	@cyclonedx-py environment --output-reproducible --output-file build/sbom.cdx.json build/release-venv
	@echo 'Ready: git tag v$(VERSION), then twine upload build/release/*. The dependencies are in build/sbom.cdx.json.'

clean: ## remove everything that make has created
	@rm -rf .venv build dist .*_cache .coverage .hypothesis
	@find . -name __pycache__ -prune -exec rm -r {} +

# Two steps, so that the first `make demo` does not wait for the development tools. Both use pinned versions. An
# environment without pip was interrupted while it was created, so it is created again.
$(VENV)/installed: pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Use Python 3.11 or newer: make PYTHON=python3.12")'
	@echo 'Setting up $(VENV) (once) …'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements-dev.txt \
		--editable ".[webhooks,cli]"
	@touch $@

$(VENV)/developed: $(VENV)/installed
	@echo 'Installing the development tools (once) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-dev.txt
	@touch $@

$(REDOCLY):
	@echo 'Installing Redocly (once) …'
	@npm install --silent --no-save --no-audit --no-fund --prefix build/redocly-$(REDOCLY_VERSION) \
		@redocly/cli@$(REDOCLY_VERSION)
