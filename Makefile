# Everything runs in .venv, which `make install` makes; any Python of 3.11 or newer will do:
# `make run PYTHON=python3.12`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# A process more than there are cores, since many tests wait; the tests of a file in one of them, in the
# order of the files: slow ones come first.
SPREAD := --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install run demo screenshot test quick lint types bench lock vendor codes clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## make .venv and install the pinned dependencies

# The mark is touched last, so an install that broke off is done again. A .venv keeps the Python
# that it was made with: to change that, `make clean` first.
$(INSTALLED): pyproject.toml constraints.txt
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, and $(PYTHON) is not: try make $(or $(MAKECMDGOALS),install) PYTHON=python3.11"; \
	    exit 1; }; \
	  $(PYTHON) -m venv --clear .venv; }
	# Everything is pinned, so there are no dependencies to look for. pip 23 would: it takes the newest
	# release of what is asked for with an extra, coverage[toml] say, and then misses its hash.
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r constraints.txt
	# pip has no hash to check for a folder, so the project goes in by itself.
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@

run: install ## start the service on http://127.0.0.1:8080
	@exec $(BIN)/python -m service

demo: install ## the service in the midst of a made-up send, until Ctrl-C; ARGS=--help tells more
	@exec $(BIN)/python -m scripts.demo $(ARGS)

screenshot: install ## take the README's pictures of the dashboard anew; needs chromium
	$(BIN)/python -m scripts.screenshot

test: install ## the whole suite, with coverage
	$(BIN)/python -m pytest --cov $(SPREAD)

quick: install ## the suite without what is slow
	$(BIN)/python -m pytest -m 'not slow' $(SPREAD)

lint: install ## ruff, hadolint and, where it is installed, luacheck
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/hadolint Dockerfile
	@if command -v luacheck >/dev/null; then luacheck --quiet lua; \
	  else echo 'luacheck is not installed: the scripts were not looked at.'; fi

types: install ## mypy, strict
	$(BIN)/mypy

bench: install ## measure rates, waits and processor time: takes long, see --only in its --help
	$(BIN)/python -m bench

lock: install ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes \
	  --no-emit-index-url --no-header --extra dev --output-file constraints.txt pyproject.toml

vendor: ## copy the dashboard's libraries from npm, as package-lock.json has them
	npm ci --ignore-scripts
	$(PYTHON) scripts/vendor.py

codes: install ## write the calling codes of countries anew, from the pinned library
	$(BIN)/python -m scripts.calling_codes

clean: ## remove what was made, but not data/
	rm -rf .venv dist node_modules .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
