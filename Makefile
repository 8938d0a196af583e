# etapromise: what can be done with it. A bare Python from 3.11 on is all that has to be there.
#
#   make demo    train on the sample, promise, score, backtest; ends with the path of the report
#   make test    every check that guards the main branch
#   make check   the same without the tests: style, types, order of the rooms, documentation
#   make docs    the documentation, into site/
#   make notebooks  run the notebooks and keep what they show
#   make bench   the benchmarks
#   make sanitize  the kernels under sanitizers; make fuzz  random inputs of every kind
#   make lowest  the tests with the oldest dependencies
#   make locked  the environment with the versions and hashes of requirements.lock; make lock renews it
#   make clean   remove what the above made (the environment too)
#
# PYTHON=... chooses the interpreter, VENV=... the environment.

VENV ?= .venv
PYTHON ?=
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUTPUT := output
SITE := site
SAMPLE := data/sample
BENCHMARKS := $(addprefix benchmarks/,quote.py orders.py scoring.py forest.py scans.py olist.py \
	in_transit.py load.py many_lanes.py quality.py quality_scenarios.py quality_ablations.py quality_settings.py telling.py \
	stages.py hand_offs.py windows.py refresh.py kills.py shapes.py year.py)

# What the installed package is made of, beyond the Python files, which are used where they lie.
BUILD_INPUTS := pyproject.toml setup.py $(wildcard build_backend/*.py) \
	$(wildcard src/etapromise/native/*.c) $(wildcard src/etapromise/native/*.h)

.PHONY: demo test suite check types style docs notebooks bench clean environment sanitize fuzz lowest lock locked
.DELETE_ON_ERROR:

environment: $(INSTALLED)

# A name that answers is not enough: version managers put names on the path that only complain.
$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$("$$python" --version) ($$python)"; \
			if "$$python" -m venv $(VENV); then exit 0; fi; \
			rm -rf $(VENV); \
			echo "$$python cannot make environments; trying the next" >&2; \
		fi; \
	done; \
	echo "No usable Python found. Expected Python 3.11 or later with its venv module (on Debian and" >&2; \
	echo "Ubuntu: apt install python3-venv). Install one, or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1

# Dependency groups need pip 25.1.
$(INSTALLED): $(BIN)/python $(BUILD_INPUTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,serve]' --group dev
	@touch $@

# What the environment is made of, byte for byte; what comes after it uses this environment.
locked: $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

# The newest versions that fit, for every Python and system; then the licences of what is in it.
lock: $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	echo 'setuptools>=77' | $(BIN)/uv pip compile --quiet --upgrade pyproject.toml - --group dev --universal \
		$(foreach extra,train serve tune excel remote signing dask spark,--extra $(extra)) \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --output-file requirements.lock
	$(MAKE) locked
	$(BIN)/python scripts/write_licences.py

check: $(INSTALLED)
	@$(MAKE) --no-print-directory -j 2 types style

types:
	$(BIN)/mypy

style:
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir $(SITE)

docs: check

# Side by side: alone, the check of types would leave one processor of two idle for a minute.
test: $(INSTALLED)
	@$(MAKE) --no-print-directory -j 3 types style suite

# One worker a core, each on one thread; a file's tests share what they train, and the longest files
# begin (tests/conftest.py), not those of the most tests.
suite:
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# The kernels with address and undefined-behaviour sanitizers, under the tests that reach them (all of
# tracking and promise took 45 minutes and more); then with the thread sanitizer, while threads ask and
# models are exchanged. Captured at the file descriptors, what a sanitizer says at the end would be lost.
SANITIZED := native forecast encoding calendars/test_dispatch.py history/test_effects.py \
	in_transit/test_features.py in_transit/test_states.py tracking/test_milestones.py \
	tracking/test_scans.py tracking/test_tracked.py promise/options promise/under_way \
	$(addprefix promise/test_,quote.py answer.py disruptions.py model_files.py hostile_models.py)
sanitize: $(INSTALLED)
	PATH="$(abspath $(BIN)):$$PATH" OMP_NUM_THREADS=1 sh scripts/sanitize.sh address,undefined \
		python -m pytest -q --capture=sys -p no:cacheprovider $(addprefix tests/,$(SANITIZED))
	PATH="$(abspath $(BIN)):$$PATH" OMP_NUM_THREADS=1 sh scripts/sanitize.sh thread \
		python -m tests.fuzz.hot_swap --seconds 30

# Random inputs of every kind; SEED and CASES choose which and how many. Where atheris can be had, it
# follows the branches of those that are bytes, and keeps what it learned in output/fuzz.
SEED ?= 1
CASES ?= 20000
FUZZ := $(OUTPUT)/fuzz
fuzz: $(INSTALLED)
	@for kind in calls tables files payloads toml command_lines hostile_models; do \
		$(BIN)/python -m "tests.fuzz.$$kind" --count $(CASES) --seed $(SEED) || exit 1; \
	done
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris || exit 0; \
	for kind in tables files payloads toml; do \
		$(BIN)/python -m tests.fuzz.guided "$$kind" --count $(CASES) --corpus $(FUZZ)/"$$kind" || exit 1; \
	done

# The suite with the oldest dependencies that pyproject.toml admits. What these warn of is theirs.
lowest: $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OUTPUT)/lowest
	$(BIN)/uv pip install --quiet --python $(OUTPUT)/lowest/bin/python --resolution lowest-direct \
		--editable '.[train,serve,excel,remote,signing]' 'pytest>=8.2' 'hypothesis>=6.100' \
		'httpx>=0.27' 'jsonschema>=4.20' 'openpyxl>=3.1' 'setuptools>=77'
	PATH="$(abspath $(OUTPUT)/lowest/bin):$$PATH" OMP_NUM_THREADS=1 python -m pytest -q \
		-o filterwarnings= -k "not spark and not dask" tests

# As a newcomer would type it. Everything lands in output/, which is made afresh.
demo: $(INSTALLED)
	@rm -rf $(OUTPUT)
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/demo.sh $(SAMPLE) $(OUTPUT)

# The notebooks from top to bottom, kept with what they show.
notebooks: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,serve,notebooks]' --group dev
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,serve,benchmarks]' --group dev
	@for benchmark in $(BENCHMARKS); do \
		echo "== $$benchmark"; $(BIN)/python "$$benchmark" || exit 1; \
	done

clean:
	rm -rf $(VENV) $(OUTPUT) $(SITE) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache src/etapromise.egg-info
	rm -f src/etapromise/native/_etapromise.*
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
