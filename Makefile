# GNU make and a Python from 3.11 to 3.13 with venv are all this needs: everything else goes into .venv.
.DEFAULT_GOAL := help
.PHONY: help run demo-books test check style bench chaos storm screens clients compat docs clean

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

# A name on the path proves nothing (pyenv leaves shims that fail): each candidate has to answer.
CANDIDATES := $(PYTHON) python3 python3.13 python3.12 python3.11 python
ANSWER := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# A file's tests stay together, as they share what is dear to make; `make test JOBS=0` runs all in one process.
JOBS := logical
SIDE_BY_SIDE := -n $(JOBS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

help:
	@echo "make run     see it work: a house of agents on a scripted model, with gateway and console, until Ctrl-C"
	@echo "make demo-books  close a month for three customers: invoices as PDF, a credit note, the trial balance"
	@echo "make check   format, lint, types, floors, docs"
	@echo "make test    check, then every test, on as many as four cores; JOBS=0: one after the other"
	@echo "make bench   every benchmark, as tables"
	@echo "make chaos   kill agents at random instants, 50 rounds of each kind, and check what they leave"
	@echo "make storm   the gateway under faults at full size: cancels, one cap, idle and slow clients, torn sockets"
	@echo "make screens the console's pages under axe-core by day and night, each at both widths (make test: by night only the wide one)"
	@echo "make clients real SDKs and frameworks, each in an environment of its own, through the gateway; NAMES='crewai' for some"
	@echo "make compat  the wrapper's tests on the oldest SDKs we support, in an environment of their own"
	@echo "make clean   remove .venv, caches and the demo ledger"

run: $(VENV)/.for-run
	@$(BIN)/comptroller demo --ledger demo-ledger

demo-books: $(VENV)/.for-run
	@$(BIN)/python -m examples.demo_books --ledger demo-books

test: style
	@$(BIN)/python -m pytest -W error $(SIDE_BY_SIDE)

check: style
	@$(BIN)/python -m pytest -W error tests/test_docs.py

style: $(VENV)/.for-test
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.for-test
	@$(BIN)/python -m benchmarks

chaos: $(VENV)/.for-test
	@$(BIN)/python -m tests.durability.chaos --rounds 50

storm: $(VENV)/.for-test
	@$(BIN)/python -m tests.gateway.storm

screens: $(VENV)/.for-test
	@SCREENS=all $(BIN)/python -m pytest -W error tests/dashboards/test_axe.py

clients: $(VENV)/.for-test
	@$(BIN)/python -m examples.clients $(NAMES)

compat: $(VENV)/.made
	@$(BIN)/python -m venv $(VENV)-oldest
	@$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check --editable . pytest hypothesis httpx2 -r tests/oldest.txt
	@$(VENV)-oldest/bin/python -m pytest -W error tests/wrapper

clean:
	rm -rf $(VENV) $(VENV)-oldest .clients build dist demo-ledger demo-books .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A stamp per set of extras: a second run starts at once, a changed pyproject.toml installs again.
$(VENV)/.for-run: pyproject.toml $(VENV)/.made
	@echo "Installing comptroller with what the demo needs into $(VENV) ..."
	@$(INSTALL) '.[all,demo]'
	@touch $@

$(VENV)/.for-test: pyproject.toml $(VENV)/.made
	@echo "Installing comptroller with its test tools into $(VENV) ..."
	@$(INSTALL) '.[test]'
	@touch $@

# A .venv somebody made already is kept if its Python fits, else made anew.
$(VENV)/.made:
	@if $(BIN)/python -c '$(ANSWER)' 2>/dev/null; then touch $@; exit 0; fi; \
	for python in $(CANDIDATES); do \
	  if "$$python" -c '$(ANSWER)' >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$python" --version) ..."; \
	    "$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
	  fi; \
	done; \
	echo "Comptroller needs Python 3.11, 3.12 or 3.13 with venv, and none was found (looked for: $(strip $(CANDIDATES)))." >&2; \
	echo "On Debian or Ubuntu: apt-get install python3 python3-venv. Elsewhere: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; \
	exit 1
