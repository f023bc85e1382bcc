# Each target does its own set-up: a virtual environment in .venv, installed under constraints.txt.
PYTHON ?= $(shell for v in 3.11 3.12 3.13; do command -v python$$v && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
LOWEST := .venv-lowest

.PHONY: bench demo docs test test-lowest dev setup

demo: $(STAMP)  ## build the corpora, into data/reddit, data/portraits, data/edits and data/imagenet
	$(BIN)/corpusmith build reddit
	$(BIN)/corpusmith build portraits
	$(BIN)/corpusmith build edits
	$(BIN)/corpusmith build imagenet

test: $(STAMP)  ## run the test suite
	$(BIN)/python -m pytest -n 2 -q

test-lowest: $(LOWEST)/.installed  ## the same with the lowest version of each dependency that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest -n 2 -q

bench: $(STAMP)  ## measure anew and write the tables of docs/benchmarks.md; BENCH="produce drawings" for some of them
	$(BIN)/python -m benchmarks $(BENCH) --write

docs: $(STAMP)  ## build the documentation site into site/
	$(BIN)/python docs/pages.py

dev: $(STAMP)  ## open the Dagster UI on http://127.0.0.1:3000
	@mkdir -p .corpusmith/dagster
	@test -e .corpusmith/dagster/dagster.yaml || cp dagster_project/dagster.yaml .corpusmith/dagster/
	DAGSTER_HOME=$(CURDIR)/.corpusmith/dagster $(BIN)/dagster dev

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "corpusmith needs Python 3.11, 3.12 or 3.13; none was found on the PATH"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Torch comes first and stays: its old releases are gigabytes of CUDA, and uv reads none of pip's settings.
$(LOWEST)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --upgrade pip uv
	$(LOWEST)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(LOWEST)/bin/python -m pip freeze | grep '^torch==' > $(LOWEST)/torch.txt
	UV_FIND_LINKS=$${UV_FIND_LINKS-$$PIP_FIND_LINKS} $(LOWEST)/bin/uv pip install --quiet --python $(LOWEST) \
		--resolution lowest-direct --constraint $(LOWEST)/torch.txt --editable '.[dev]'
	@touch $@
