# Each target makes its own environment in .venv first; a second run reuses it.
# Works with GNU make 3.81 and later on Linux, macOS and Windows (Git Bash).
#
#   make course    run the whole walk and print the attack table; writes build/course/
#   make test      check the style, the types and run every test
#   make lab       open the chapters in JupyterLab
#   make html      the course as pages to read, in build/html/
#   make slides    slides of each chapter, in build/slides/
#   make doctor    say what is wrong with this machine and how to fix it
#   make clean     remove what the targets made, .venv included
#
# Another Python: make course PYTHON=python3.12

# One that runs: Windows has a python3 that only opens its shop, and exits with 49.
PYTHON := $(shell for p in python3 python py; do $$p -c "" >/dev/null 2>&1 && break; done; echo $$p)
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

.PHONY: course test lab html slides doctor env clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n 's/^#   //p' Makefile

# The version is asked for in a way that every Python understands, however old.
env:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "error: Python 3.10 or newer is needed, and $(PYTHON) is not, or does not run: install" \
	         "one and name it, for example: make course PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) tools/make_env.py

course: env
	@$(BIN)/nbnet course

# pytest comes last: its summary is the last line.
test: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest

lab: env
	@$(BIN)/nbnet lab

html: env
	@$(BIN)/nbnet html

# Without the network: make slides REVEAL=folder (see `nbnet slides --help`).
slides: env
	@$(BIN)/nbnet slides $(if $(REVEAL),--reveal $(REVEAL))

doctor: env
	@$(BIN)/nbnet doctor

clean:
	rm -rf .venv .venv.lock build .pytest_cache .ruff_cache .mypy_cache
