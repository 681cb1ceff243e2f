# Everything this repository can do, each in one command: `make help` lists them.
# Settings: CONFIG (what to analyse), CORES (how many to use), PYTHON (3.11 or newer; only for making .venv).
CONFIG = config/config.yaml
CORES = all
PYTHON = python3

LOCK := envs/requirements.txt
READY := .venv/ready-$(firstword $(shell cksum < $(LOCK)))
BIN := .venv/bin

# Where compiled modules may not be kept, as in many containers, every job compiles the package anew: seconds each.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help run smoke verify test test-all check test-slurm docs clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F '|' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(READY)  ## analyse CONFIG (default: config/config.yaml) and show the findings
	@test -f $(CONFIG) || { echo "CONFIG=$(CONFIG): no such file; config/README.md says how to write one"; exit 1; }
	@$(BIN)/snakemake --cores $(CORES) --configfile $(CONFIG)
	@$(BIN)/python workflow/findings.py $(CONFIG)

smoke: CONFIG = config/smoke.yaml
smoke: run  ## the same on a miniature, in minutes

verify: $(READY)  ## read every byte of CONFIG's results again, the sources too, and say what is damaged
	@$(BIN)/python workflow/verify.py $(CONFIG)

test: $(READY)  ## run the tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup --durations 15

test-all: $(READY)  ## run the tests, and what takes too long for every change: every stage stopped, full simulations
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup -m 'not slurm'

check: $(READY)  ## formatting, linters, types, and generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/python docs/generate_data.py --check
	$(BIN)/python docs/generate_configuration.py --check

test-slurm: $(READY)  ## a miniature on a throw-away SLURM cluster (needs root and Debian's packages)
	@$(BIN)/pytest -m slurm tests/slurm

docs: $(READY)  ## renew the pages that are generated from contracts and settings, and the schema for editors
	$(BIN)/python docs/generate_data.py
	$(BIN)/python docs/generate_configuration.py

clean:  ## remove all results (not the environment)
	rm -rf results logs benchmarks .snakemake

$(READY): $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is missing or older than Python 3.11; name another one: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing the pinned environment into .venv: about 2 GB, a few minutes, only this once"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement $(LOCK)
	@rm -f .venv/ready-*
	@touch $@
