# make demo   shows the main job on a real checkpoint
# make test   passes the tests                           (make test ARGS='-k track' runs some of them)
# make check  lints and type-checks
# make readme sees that README.md shows what the demo prints
# Each sets up everything it needs first; see scripts/setup.sh.

PACKAGES := strategies theta theta_checkpoint theta_git theta_store theta_filter theta_diff theta_merge theta_cli
ARGS :=

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c

# the virtual environment's programs, as after its `activate`
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup demo test check readme format
help:
	@sed -n 's/^# //p' Makefile

setup:
	@scripts/setup.sh

demo: setup
	@examples/demo.sh

test: setup
	python -m pytest -q -n 3 $(ARGS)  # one more than cores: many tests wait for processes and servers

check: setup
	ruff check .
	ruff format --check .
	mypy $(PACKAGES) tests examples scripts

readme: setup
	examples/demo.sh | python scripts/readme.py

format: setup
	ruff check --fix .
	ruff format .
