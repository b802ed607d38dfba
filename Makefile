# One command to see it work, one to test it; both need only Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: help demo test lint check bench peers wheel clean

help:
	@echo "make demo    install, index the sample corpus, ask three questions"
	@echo "make test    install, run the tests (without torch)"
	@echo "make lint    format, lint and types"
	@echo "make check   that and the tests"
	@echo "make bench   measure against LlamaIndex and on the development data (RAG_DATA)"
	@echo "make peers   measure beside LlamaIndex, Haystack and txtai, each in its own environment (RAG_DATA)"

$(VENV)/.base: pyproject.toml constraints.txt
	@echo "Installing into $(VENV): a minute or two, once."
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) install --constraint constraints.txt --editable '.[dev,train]' \
		llama-index-embeddings-huggingface llama-index-vector-stores-chroma \
		llama-index-readers-file
	@touch $@

demo: $(VENV)/.base
	@$(BIN)/rag demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

bench: $(VENV)/.bench
	$(BIN)/python eval/bench.py

peers: $(VENV)/.dev
	$(BIN)/python eval/peers/run.py

wheel: $(VENV)/.dev
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build .cache .mypy_cache .ruff_cache .pytest_cache
