# Two commands do everything: `make demo` and `make test`. Each check is defined here once; CI calls the same targets.
PYTHON ?= python3
VENV   ?= .venv
SERVE  ?= 1
TORCH  ?= cpu
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test quick check format docs bench bench-forecast soak clean

demo: $(VENV)/.runtime            ## train on the bundled data, print the report, open the page
	@$(BIN)/driftline demo $(if $(filter 0,$(SERVE)),--no-serve) $(DEMO)

test: $(VENV)/.dev                ## everything that CI runs of the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak" $(ARGS)

quick: $(VENV)/.dev               ## the tests that take moments
	$(BIN)/python -m pytest -n 2 -m "not slow and not soak" $(ARGS)

soak: $(VENV)/.dev                ## measurements on large or external data (DRIFTLINE_DEV_DATA)
	$(BIN)/python -m pytest -m soak $(ARGS)

check: $(VENV)/.dev               ## format, lint, types, import rules, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/check.py

format: $(VENV)/.dev              ## rewrite the sources in house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev                ## write the command reference from the commands
	$(BIN)/python docs/reference.py

bench: $(VENV)/.dev               ## one table of the benchmarks: make bench ARGS="speed beauty"
	$(BIN)/python -m benchmarks $(or $(ARGS),shop)

bench-forecast: $(VENV)/.dev      ## what forecasts, order and the score of change are worth: make bench-forecast DATA=FOLDER
	$(BIN)/python -m benchmarks forecast $(or $(DATA),online-retail) $(ARGS)
	$(BIN)/python -m benchmarks change $(or $(DATA),online-retail)

clean:                            ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis

$(VENV)/.runtime: pyproject.toml constraints.txt scripts/install
	@PYTHON="$(PYTHON)" TORCH="$(TORCH)" scripts/install "$(VENV)" "."
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt scripts/install
	@PYTHON="$(PYTHON)" TORCH="$(TORCH)" scripts/install "$(VENV)" ".[dev]"
	@touch $@ $(VENV)/.runtime
