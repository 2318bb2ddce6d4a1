# Each target is one line over a command that README.md or docs/ show too; every one makes what it needs first.
.PHONY: run test test-slow check report lint bench bench-chaos-full rehearsal reference docs
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
STUDY ?=
BIN = .venv/bin
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) $(if $(STUDY),--configfile config/studies/$(STUDY).yaml)

# One line for each stage; `make run VERBOSE=1` prints all that Snakemake says, which is in .snakemake/log anyway.
run: .venv/installed
	$(SNAKEMAKE) $(if $(VERBOSE),,--logger triphase)

# One file for each core at a time, at least two; more threads of the libraries would wait for each other. Compiled tests
# are kept, whatever the shell says: to rewrite their assertions takes longer than most of them.
PYTEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest \
	--numprocesses $(if $(filter 1 2,$(CORES)),2,auto) --dist loadfile --no-loadscope-reorder
# What takes longest first, so that no core waits for another in the end.
TESTS = tests/integration tests/workflow tests/simulation tests/unit

test: .venv/installed
	$(PYTEST) -m "not slow" $(TESTS)

# Whole studies beyond `tiny` and one layout.
test-slow: .venv/installed
	$(PYTEST) -m slow $(TESTS)

# What to run while one works: lint, types, and the unit tests that need no language model.
check: lint
	$(PYTEST) -m "not slow and not model" tests/unit tests/workflow/test_conventions.py

report: run
	$(SNAKEMAKE) --report results/$(or $(STUDY),embedded)/report.html

lint: .venv/installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# The config's schema for editors and its reference, from the typed sections; a test says when they are stale.
reference: .venv/installed
	$(BIN)/python -m triphase.config.generate
	$(BIN)/python -m triphase.table.reference

# The documentation site, in docs/_build; a warning is an error.
docs: .venv/installed
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build

# All cases, for hours; taken up where it was left.
bench-chaos-full: .venv/installed
	$(BIN)/python benchmarks/bench_chaos.py full

# The paper's studies and their synthesis end to end at small size.
rehearsal: bench-rehearsal

bench: $(patsubst benchmarks/bench_%.py,bench-%,$(wildcard benchmarks/bench_*.py))

bench-%: .venv/installed
	$(BIN)/python benchmarks/bench_$*.py

# The stamp is written last, so that an interrupted installation starts again.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
