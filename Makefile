# Two commands that work on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# As many test processes as cores, each with one compute thread and its own part of the tests, in order, as long as it
# has some: so most fixtures of a file are made once.
# (nproc takes OMP_NUM_THREADS for the number of cores.)
JOBS ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: demo test test-slow lint docs clean

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.run: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet --editable ".[dlib,ray,tables,onnx,openvino,app,datasets,explain,dev,docs]"
	touch $@

demo: .venv/.run
	@$(BIN)/python tools/demo.py

test: .venv/.dev
	$(PYTEST) -m "not slow"

test-slow: .venv/.dev
	$(PYTEST) -m slow

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.dev
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv site demo-out
