# Everything runs in .venv; nothing is installed outside it but Kafka's jars (a cache folder).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format model bench bench-classifier chaos equality clean

demo: .venv/core
	$(BIN)/barograph demo

test: .venv/dev
	scripts/kafka/fetch.sh
	$(BIN)/python -m pytest

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# DATA: folder of the sets and streams (see trainer/corpus/README.md); VERSION: name of the new version
DATA ?= ../shared/data
VERSION ?= minilm-l6-$(shell date +%Y-%m-%d)
model: .venv/dev
	$(BIN)/barograph train --recipe default --data $(DATA) --version $(VERSION)

bench: .venv/dev
	scripts/kafka/fetch.sh
	$(BIN)/python -m benchmarks

bench-classifier: .venv/dev
	$(BIN)/python -m benchmarks.classifier

chaos: .venv/dev
	scripts/kafka/fetch.sh
	$(BIN)/python -m benchmarks.chaos

equality: .venv/dev
	scripts/kafka/fetch.sh
	$(BIN)/python -m benchmarks.equality

clean:
	rm -rf .venv demo barograph-data

.venv/core: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/dev: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[dev,train]"
	touch $@
