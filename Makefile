# make table1      the embedded suite's Table 1, in seven minutes on two cores
# make companions  the companion papers' claims under shifts, in a quick form
# make test        the tests, in about eight minutes on two cores
# make soak        what takes longer: kills, full disks, clusters, full sizes
# make lint        style, import order, types
# make docs        the documentation as a site, .site/index.html
# All install into .venv first, from the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# A worker a core; one that has nothing left takes tests from another.
PARALLEL := --numprocesses=auto --dist=worksteal

.PHONY: table1 companions test soak lint docs

table1: $(VENV)/installed
	$(BIN)/python -m runners.table1

companions: $(VENV)/installed
	$(BIN)/python -m runners.companions --quick

test: $(VENV)/installed-test
	$(PYTEST) $(PARALLEL) -m 'not soak'

soak: $(VENV)/installed-test
	$(PYTEST) $(PARALLEL) -m soak

lint: $(VENV)/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m tools.build_check

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python setup.py pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@
