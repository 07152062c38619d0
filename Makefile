# check: this machine. test: everything that proves the suite. Each makes .venv when it is missing or out of date.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
JOBS ?= 4

.PHONY: check test test-machines lint demo picture bench clean clean-machines

check: .venv/run
	@$(BIN)/python -m pytest --inventory=local

test: lint
	@$(BIN)/python -m pytest -q -c selftest/pytest.ini --numprocesses=$(JOBS) --no-loadscope-reorder selftest

# On kernels of their own, emulated: by themselves, since two cores are no more than they need.
test-machines: lint .venv/machines
	@$(BIN)/python -m pytest -q -c selftest/pytest.ini selftest/machines

lint: .venv/dev .venv/system
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy

demo: .venv/dev .venv/system
	@$(BIN)/python -m lab.demo

# docs/report.png, of the demo's report.
picture: demo
	@$(BIN)/python -m lab.picture

bench: .venv/dev .venv/system
	@$(BIN)/python -m bench

clean:
	rm -rf .venv build *.egg-info reports/2*Z-* reports/latest

# The images and saved states of virtual machines, in the user's cache; the next test that needs some makes them again.
clean-machines: .venv/run
	@$(BIN)/python -m lab clean-machines

.venv/bin/python:
	@$(PYTHON) -m venv .venv

# The package itself is installed too, editable: its pytest plugin is an entry point.
.venv/run: requirements.txt pyproject.toml | .venv/bin/python
	@echo "installing requirements.txt into .venv, once"
	@$(PIP) --requirement requirements.txt --editable .
	@touch $@

.venv/dev: requirements-dev.txt .venv/run
	@echo "installing requirements-dev.txt into .venv, once"
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

# What the selftests need of the system: real servers, a real browser. Once, and only where it can be installed.
.venv/system: selftest/packages.txt | .venv/bin/python
	@selftest/install-packages $@ selftest/packages.txt

.venv/machines: selftest/machines/packages.txt .venv/system
	@selftest/install-packages $@ selftest/machines/packages.txt
