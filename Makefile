# Everything a person does with this repository, one word each. `make` alone lists the words.
#
# Variables:  PYTHON   the interpreter to make the environment with (3.11 or newer)
#             VENV     where the environment is
#             EXTRAS   what is installed for test and check, e.g. EXTRAS=test,engine,quant,train,reference
#             ARGS     handed on: make test ARGS="-k cancel", make demo ARGS=--json
#             WORKERS  tests at once; auto is three for every two processors
#             SECONDS  how long each fuzzer runs

VENV   ?= .venv
EXTRAS ?= test,engine
ARGS   ?=
WORKERS ?= auto
SECONDS ?= 60
# A method of a small class, left at its beginning.
DEMO   ?= tests/data/demo/shelf.py:54:15

ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN    := $(VENV)/Scripts
else
PYTHON ?= python3
BIN    := $(VENV)/bin
endif

# The tools that make the wheel live apart from the environment that the wheel is not to lean on.
TOOLS  := build/tools
TOOLBIN = $(TOOLS)/$(notdir $(BIN))

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz check fmt build portable deb formula manual docs vscode clean python

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: python ## set up, and complete a line of a real source file with the built-in model
	@$(PYTHON) packaging/setup_venv.py $(VENV) engine
	@$(BIN)/stardraft complete $(ARGS) $(DEMO)

test: python ## set up, and run all tests, on all processors; it says how long that takes
	@$(PYTHON) packaging/setup_venv.py $(VENV) $(EXTRAS)
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile $(ARGS)

fuzz: python ## set up, and run each fuzzer for a minute, one on each processor: make fuzz SECONDS=600
	@$(PYTHON) packaging/setup_venv.py $(VENV) $(EXTRAS)
	@$(BIN)/python -m tests.fuzz all --seconds $(SECONDS) $(ARGS)

check: python ## format, lint, types, import directions: seconds
	@$(PYTHON) packaging/setup_venv.py $(VENV) $(EXTRAS)
	@$(BIN)/ruff format --check --quiet . || { echo "make fmt fixes the format of the files above"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

fmt: python ## format the code, and fix what the linter can fix
	@$(PYTHON) packaging/setup_venv.py $(VENV) $(EXTRAS)
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

build: python ## the wheel and the source distribution, checked, in dist/
	@test -x $(TOOLBIN)/twine || { $(PYTHON) -m venv $(TOOLS) && \
	  $(TOOLBIN)/python -m pip install --quiet --constraint packaging/constraints.txt build twine; }
	@rm -rf dist
	@$(TOOLBIN)/pyproject-build --outdir dist . > build/build.log 2>&1 || { cat build/build.log; exit 1; }
	@$(TOOLBIN)/twine check --strict dist/*

portable: python ## llama.cpp as a wheel for every processor of this kind, in dist/
	@$(PYTHON) packaging/engine_wheel.py --portable dist

deb: build ## a Debian package for this distribution, in dist/
	@$(TOOLBIN)/python packaging/debian_package.py dist/*.whl dist --cmake-args="$(CMAKE_ARGS)"

formula: build ## a Homebrew formula, in dist/: make formula URL=... HOMEPAGE=...
	@$(TOOLBIN)/python -m pip install --quiet --constraint packaging/constraints.txt uv packaging
	@PATH="$(CURDIR)/$(TOOLBIN):$$PATH" $(TOOLBIN)/python packaging/homebrew_formula.py dist/*.tar.gz \
	  --url $(URL) --homepage $(HOMEPAGE)

manual: python ## manual pages and shell completions, from the help
	@$(PYTHON) packaging/setup_venv.py $(VENV) $(EXTRAS)
	@$(BIN)/python packaging/man_pages.py
	@$(BIN)/python packaging/completions.py

docs: python ## the documentation as a site, in build/site
	@PYTHON=$(PYTHON) bash .ci/docs

vscode: ## check, test and package the VS Code extension
	cd packaging/vscode && npm ci --no-audit --no-fund --loglevel=error
	cd packaging/vscode && npm run --silent check && npm test --silent && npm run --silent package

clean: ## remove everything that was made here, the environment included
	rm -rf packaging/vscode/node_modules packaging/vscode/dist packaging/vscode/out packaging/vscode/*.vsix
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find daemon lsp quant tests packaging -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@$(PYTHON) -c "" || { echo "There is no $(PYTHON) here; name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
	  echo "stardraft needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
	  "Name a newer one: make PYTHON=/path/to/python3"; exit 1; }
