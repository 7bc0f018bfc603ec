# Everything one does with this course, in one word each. `make` alone prints the list.
# All targets run in an environment of their own, .venv, which is made when first needed.

PYTHON ?= python3#          any Python 3.11 or newer; it only makes the environment
VENV   ?= .venv
TORCH  ?=#                  cpu: the smaller build of PyTorch for machines with no GPU
UNPINNED ?=#                1: the newest versions that pyproject.toml allows, not the tested ones
NB     ?=#                  03: only that notebook, for `notebooks` and `test-notebooks`
ARGS   ?=#                  more arguments for the command that a target runs

BIN       := $(VENV)/bin
WORKSPACE := workspace
STAMP     := $(VENV)/.installed
LOCK      := $(if $(UNPINNED),,-c requirements.lock)
NOTEBOOKS  = $(or $(wildcard notebooks/$(NB)*.ipynb),$(error no notebook is named notebooks/$(NB)*.ipynb))

.PHONY: help setup train lab build notebooks test test-all test-code test-notebooks lint types format \
        bench bench-quality model site wheel lock clean distclean

help:
	@echo "Usage: make TARGET [TORCH=cpu] [PYTHON=python3.12] [VENV=folder] [ARGS='...']"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "No GPU? Add TORCH=cpu the first time: several GB less to download (Linux)."

# --- to learn ---

train: $(STAMP) ## Train a Transformer on the embedded corpus and print its scores
	$(BIN)/course train --corpus embedded --preset tiny $(ARGS)

lab: $(WORKSPACE) ## Open your workspace of the course in JupyterLab; it is made the first time
	$(BIN)/jupyter lab $(WORKSPACE)/00_start_here.ipynb $(ARGS)

$(WORKSPACE): | $(STAMP)
	$(BIN)/course start $(WORKSPACE)

# --- to change it ---

build: $(STAMP) ## Build course_lib from the cells of the notebooks
	$(BIN)/course build $(ARGS)

notebooks: $(STAMP) ## Re-execute the notebooks and store their outputs (NB=03 for only one)
	$(BIN)/python -m course_lib.editions.execute $(ARGS) $(NOTEBOOKS)

format: $(STAMP) ## Let ruff format the code and repair what it can
	$(BIN)/ruff check --fix --exit-zero $(ARGS)
	$(BIN)/ruff format

model: $(STAMP) ## Remake the small trained model that the course ships, by steps instead of minutes
	$(BIN)/course train --corpus embedded --preset tiny --steps 6500 --out runs/model $(ARGS)
	$(BIN)/python -m course_lib.app.ship runs/model

# --- to check it ---

test: lint types test-code test-notebooks ## Check style and types, run the tests and every notebook (under 30 minutes)

test-all: PYTEST_ALL := -m ""
test-all: test ## The same with the long tests

test-code: $(STAMP) ## Run the tests alone
	$(BIN)/pytest $(PYTEST_ALL) $(ARGS)

test-notebooks: $(STAMP) ## Run the notebooks and compare every output (NB=03 for only one)
	$(BIN)/pytest --nbval --nbval-current-env --nbval-cell-timeout=540 $(ARGS) $(NOTEBOOKS)

lint: $(STAMP) ## Check style and format with ruff
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP) ## Check type hints with mypy
	$(BIN)/mypy

# --- to time it ---

BENCH := $(VENV)/.installed-bench

bench: $(BENCH) ## Time training and decoding against other libraries, and print the ratios (ARGS='--corpus FOLDER')
	$(BIN)/python -m benchmarks $(ARGS)

bench-quality: $(BENCH) ## BLEU on Multi30k after 10 and after 20 minutes
	$(BIN)/python -m benchmarks --quality $(ARGS)

$(BENCH): $(STAMP)
	@echo "Installing the libraries that ours is timed against"
	@$(BIN)/pip install --quiet --editable '.[bench]' $(LOCK)
	@touch $@

# --- to release it ---

site: $(STAMP) ## Build the web site into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going --quiet -b html docs docs/_build/html $(ARGS)
	@echo "Open docs/_build/html/index.html"

wheel: $(STAMP) ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist $(ARGS)

# The lock constrains CPU and CUDA builds on every platform: hence no CUDA packages, no markers.
lock: $(STAMP) ## Complete requirements.lock after a change of dependencies (ARGS=--upgrade: all to the newest)
	$(BIN)/pip install --quiet uv -c requirements.lock
	cp requirements.lock $(VENV)/new.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --fork-strategy fewest --quiet \
		--no-header --no-annotate $(ARGS) --output-file $(VENV)/new.lock
	{ sed -n '/^#/p' requirements.lock; \
	  sed -e '/^#/d' -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton/d' -e "/ ;.*== 'emscripten'/d" -e 's/ ;.*//' \
		$(VENV)/new.lock; } > $(VENV)/requirements.lock
	mv $(VENV)/requirements.lock requirements.lock

clean: ## Remove what tests and builds leave behind
	rm -rf build dist docs/_build docs/notebooks .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path './$(VENV)' -prune -o -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## The same, and the environment
	rm -rf '$(VENV)'

# --- the environment: made once, and again only when the dependencies have changed ---

setup: $(STAMP) ## Make the environment and do nothing else

$(STAMP): pyproject.toml requirements.lock
	@command -v $(PYTHON) > /dev/null \
		|| { echo "make: there is no $(PYTHON) here; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null \
		|| { echo "make: $(PYTHON) lacks its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/pip || { echo "Making the environment $(VENV)"; $(PYTHON) -m venv $(VENV); }
ifneq ($(TORCH),)
	@echo "Installing the $(TORCH) build of PyTorch into $(VENV)"
	@$(BIN)/pip install --quiet uv $(LOCK)
	@$(BIN)/uv pip install --python $(BIN)/python --torch-backend=$(TORCH) torch $(LOCK)
endif
	@echo "Setting up $(VENV): 1.6 GB, or about 6 GB where PyTorch comes with CUDA. Quiet for a few minutes."
	@$(BIN)/pip install --quiet --editable '.[dev,site]' $(LOCK)
	@echo "Writing the embedded corpus to data/cache"
	@$(BIN)/python -c "from course_lib.corpora import load_corpus; load_corpus('embedded')"
	@touch $@
	@echo "$(VENV) is ready."
