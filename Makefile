# Everything runs in .venv, which `make install` makes; any Python of 3.11 or newer will do:
# `make run PYTHON=python3.12`.
PYTHON ?= python3
BIN := .venv/bin
RUNNABLE := .venv/.runnable
INSTALLED := .venv/.installed
# Everything is pinned, so there are no dependencies to look for. pip 23 would: it takes the newest
# release of what is asked for with an extra, coverage[toml] say, and then misses its hash.
PIP := $(BIN)/python -m pip install --quiet --no-deps
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header
# A process more than there are cores, since many tests wait; the tests of a file in one of them, in the
# order of the files: slow ones come first.
SPREAD := --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadfile --no-loadscope-reorder

# Empty, which is the same as unset: containers often set it, and then each of some hundred processes
# of the tests compiles the service anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install run env demo screenshot test test-rest test-all client attack lint types docs bench lock vendor codes samples clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## make .venv and install the pinned dependencies, those of the tests too

# The marks are touched last, so an install that broke off is done again. A .venv keeps the Python
# that it was made with: to change that, `make clean` first.
$(RUNNABLE): pyproject.toml constraints-run.txt
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, and $(PYTHON) is not: try make $(or $(MAKECMDGOALS),install) PYTHON=python3.11"; \
	    exit 1; }; \
	  echo 'Making a virtual environment in .venv …'; \
	  $(PYTHON) -m venv --clear .venv; }
	@echo 'Installing what the service needs in .venv: some 100 MB, once …'
	@$(PIP) --require-hashes -r constraints-run.txt
	@# pip has no hash to check for a folder, so the project goes in by itself.
	@$(PIP) --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@touch $@

$(INSTALLED): $(RUNNABLE) constraints.txt
	@echo 'Installing what tests and checks need in .venv: some 500 MB more, once …'
	@$(PIP) --require-hashes -r constraints.txt
	@$(BIN)/python -m pip check
	@touch $@

run: $(RUNNABLE) ## start the service on http://127.0.0.1:8080
	@exec $(BIN)/python -m service

env: ## make .env, with a new token for docker compose, where there is none
	@test -e .env || { umask 077; token=$$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n') && \
	  printf 'TRACKER_AUTH__TOKENS=%s\nTRACKER_META__APP_SECRET=\nTRACKER_META__VERIFY_TOKEN=\n' "$$token" >.env; }
	@echo "The token and Meta's secrets are in .env, which git ignores."

demo: $(RUNNABLE) ## the service in the midst of a made-up send, until Ctrl-C; ARGS=--help tells more
	@exec $(BIN)/python -m scripts.demo $(ARGS)

screenshot: install ## take the pages' pictures of the dashboard anew; needs chromium
	$(BIN)/python -m scripts.screenshot

test: install ## the tests to run before every commit: all but what is marked slow
	$(BIN)/python -m pytest -m 'not slow' --hypothesis-profile=few $(SPREAD)

test-rest: install ## what make test leaves out: slow tests, and properties with more examples
	$(BIN)/python -m pytest -m slow $(SPREAD)
	$(BIN)/python -m pytest -m 'not slow' tests/properties $(SPREAD)

test-all: install ## every test in one run, with coverage
	$(BIN)/python -m pytest --cov $(SPREAD)

client: $(RUNNABLE) ## build the npm package in clients/typescript and run its tests; needs Node and npm
	cd clients/typescript && npm ci && PYTHON=$(abspath $(BIN))/python npm test

attack: install ## send 350,000 hostile requests to a service of its own; ARGS=--help tells more
	$(BIN)/python -m tests.attacks.attack $(ARGS)

lint: install ## ruff, hadolint and, where it is installed, luacheck
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/hadolint Dockerfile
	@if command -v luacheck >/dev/null; then luacheck --quiet lua; \
	  else echo 'luacheck is not installed: the scripts were not looked at.'; fi

types: install ## mypy, strict
	$(BIN)/mypy

docs: install ## make the site of docs/ in site/; warnings are errors
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --fresh-env docs site

bench: install ## measure rates, waits and processor time: takes long, see --only in its --help
	$(BIN)/python -m bench

lock: install ## pin the newest versions that pyproject.toml allows
	$(BIN)/$(COMPILE) --upgrade --extra dev --extra install --output-file constraints.txt pyproject.toml
	$(BIN)/$(COMPILE) --extra install --constraint constraints.txt --output-file constraints-run.txt pyproject.toml

vendor: ## copy the pages' libraries from npm, as package-lock.json has them
	npm ci --ignore-scripts
	$(PYTHON) scripts/vendor.py

codes: install ## write the calling codes of countries anew, from the pinned library
	$(BIN)/python -m scripts.calling_codes

samples: install ## write the sample bodies of /openapi.json anew, as the service answers them
	$(BIN)/python -m tests.reference.story

clean: ## remove what was made, but not data/
	rm -rf .venv dist site node_modules .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf clients/*/build clients/*/dist clients/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
