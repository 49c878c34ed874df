# The only entry for people and for CI. `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup run test unit check format bench torture fuzz mutants lock clean

help:  ## what there is
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## create the environment in .venv from the committed lock file

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed ($(PYTHON) is older). Set PYTHON=/path/to/python3."; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

run: $(READY)  ## start the sandbox: the real daemon against local stand-ins
	@$(BIN)/waiaas sandbox $(ARGS)

test: $(READY)  ## every test
	$(BIN)/python -m pytest -n 2 --dist loadgroup --max-worker-restart 0 $(ARGS)

unit: $(READY)  ## the quick tests
	$(BIN)/python -m pytest -q tests/unit tests/conformance tests/vectors tests/architecture $(ARGS)

check: $(READY)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## format and sort
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

bench: $(READY)  ## measure; one JSON line per figure
	$(BIN)/python -m tests.bench $(ARGS)

torture: $(READY)  ## kill the sandbox N times while money moves; SEED=1 repeats a run
	$(BIN)/python -m tests.torture $(or $(N),20) $(or $(SEED),1)

fuzz: $(READY)  ## ask every route N times whatever its OpenAPI document allows and forbids
	WAIAAS_TEST_FUZZ=$(or $(N),200) $(BIN)/python -m pytest -q -n 2 tests/fuzz $(ARGS)

mutants: $(READY)  ## bend each row of each table of states; every one must be noticed
	$(BIN)/python -m tests.architecture.bent_tables

lock:  ## renew both lock files (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
