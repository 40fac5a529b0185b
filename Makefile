# `make demo` and `make test` are all a user needs; the rest is for those who work here.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test test-all lint bench clean

# An editable install; compiles no kernel.
install: .venv/.installed

# With everything the tests need.
.venv/.tested: pyproject.toml | .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch .venv/.installed .venv/.tested

.venv/.installed: pyproject.toml | .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch .venv/.installed

.venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "statmech needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

demo: install
	$(BIN)/statmech phase-diagram dense --order 2 --out figures/hopfield.png

test: .venv/.tested
	$(BIN)/python -m pytest -q -n 2

test-all: .venv/.tested
	$(BIN)/python -m pytest -q -n 2 --nightly

lint: .venv/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# With the samplers that are timed beside the package. Without them the bench runs too,
# names them as missing, and the next `make bench` tries again.
.venv/.benched: pyproject.toml | .venv/.tested
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]' \
	  && touch .venv/.benched || echo "the extra 'bench' cannot be installed"

# Takes about twenty minutes, on a machine that does nothing else.
bench: .venv/.benched
	$(BIN)/python -m benchmarks.foundation
	$(BIN)/python -m benchmarks.workloads
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.multitask
	$(BIN)/python -m benchmarks.mean_field
	$(BIN)/python -m benchmarks.overhead

clean:
	rm -rf .venv figures build *.egg-info
