# Everything a newcomer needs; `make help` lists it. The environment is made on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_NANO := $(VENV)/.installed-nano
JS_CLIENT := tests/server/js/node_modules
AXE := tests/browser/node_modules
COG := .venv-cog
# A process for each of two cores; files, which share what they need, stay together.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
NOT_QUICK := $(addprefix --ignore=tests/,browser server recipes benchmarks test_collection.py)

.DEFAULT_GOAL := help
.PHONY: help install demo test test-quick test-hard test-campaign check format bench vendor nano judge clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Install songloom with its development tools into .venv

demo: $(INSTALLED) ## Write music, fine-tune the model on examples/songs, write music again: see demo/
	$(BIN)/python examples/demo.py demo

# What was compiled is kept, whatever the environment says: each of the many processes that tests
# start would compile songloom anew, and each that runs tests all of those.
test test-quick test-hard: export PYTHONDONTWRITEBYTECODE :=

test: $(INSTALLED) $(JS_CLIENT) $(AXE) $(COG)/.installed ## Run every test that needs neither a GPU nor the network
	OMP_NUM_THREADS=1 $(PYTEST) -m "not gpu and not network"

test-quick: $(INSTALLED) ## Run the fast tests alone, without servers and browsers: under a minute
	OMP_NUM_THREADS=1 $(PYTEST) $(NOT_QUICK) -m "not gpu and not network and not slow and not browser"

test-hard: $(INSTALLED) $(JS_CLIENT) $(AXE) $(COG)/.installed ## Run all in random order on a busy machine (HARD_OPTIONS="--runs 6")
	$(BIN)/python -m tests.hard_run $(HARD_OPTIONS)

test-campaign: $(INSTALLED) ## Kill, damage and overload the program for hours (CAMPAIGN_OPTIONS="--kills 20")
	$(BIN)/python -m tests.campaigns $(CAMPAIGN_OPTIONS)

check: $(INSTALLED) ## Lint, check the formatting, the types and the names
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/check_names.py

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED) ## Measure decoding speed beside transformers (BENCH_OPTIONS="--quick")
	$(BIN)/python -m benchmarks.decode $(BENCH_OPTIONS)

vendor: ## Fetch the page's libraries anew (npm; the versions are in vendor/package.json)
	npm ci --prefix vendor --no-audit --no-fund --silent
	$(PYTHON) vendor/collect.py

judge: $(INSTALLED_NANO) ## Ask the embedded model for music, and hear whether it is as asked (JUDGE_OPTIONS="--clips 20")
	$(BIN)/python -m recipes.nano.judge $(JUDGE_OPTIONS)

nano: $(INSTALLED_NANO) ## Compose, render and train the embedded model anew (hours)
	$(BIN)/python -m recipes.nano all

clean: ## Remove the environment and what tools left behind
	rm -rf $(VENV) $(COG) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# constraints.txt pins every version, so that two machines install the same.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

$(INSTALLED_NANO): $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,nano]'
	@touch $@

# Replicate's client for JavaScript, which tests drive the server with; without npm they are skipped.
$(JS_CLIENT): tests/server/js/package-lock.json
	@npm ci --prefix $(@D) --omit=optional --no-audit --no-fund --silent && touch $@ \
		|| echo "no npm: tests with the JavaScript client are skipped"

# What looks for faults of accessibility in the page; without npm those tests are skipped.
$(AXE): tests/browser/package-lock.json
	@npm ci --prefix $(@D) --no-audit --no-fund --silent && touch $@ \
		|| echo "no npm: tests of the page's accessibility are skipped"

# The Cog that the hosted original was built with, to compare with; without it those tests are skipped.
$(COG)/.installed: tests/server/cog_model/requirements.txt | $(BIN)/python
	@$(BIN)/python -m venv $(COG) \
		&& $(COG)/bin/python -m pip install --quiet -r $< 2>$(COG)/install.log && touch $@ \
		|| echo "Cog cannot be installed (see $(COG)/install.log): tests that compare with it are skipped"
