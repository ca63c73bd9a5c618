# make demo     all the set-up, then the main job with a page to look at; until Ctrl-C, or DEMO_SECONDS
# make test     all the set-up, then every check and test, on real servers
# make check    the fast lane: lint, types, architecture, and the tests without servers, browser and the mark 'slow'
# make bench    measure; see README
# make soak     hours of faults injected into workers and brokers; report in soak/
# make validate simulate patients from every model of the library and see whether its twin is calibrated; pages in validation/
# make docs     build the documentation, with the reference made from the code; pages in build/docs/
# make papers   what a hospital asks for, from the tree and the newest run of the tests; in build/papers/
# make wheel    the package, with the charts, for machines without this clone; in dist/
# make lock     renew the lock files from pyproject.toml
# make clean    remove what these targets made in the clone (caches under ~/.cache/dosetwin stay)

.DEFAULT_GOAL := check
.PHONY: setup setup-test check lint test demo bench soak validate docs papers wheel lock clean
.DELETE_ON_ERROR:

# Where the environment forbids it, each process would compile this tree anew, and each of pytest's rewrite every test.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHARTS := connectors/console/static/vendor/uPlot.iife.min.js
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet

# The set-up of demo and console: Python packages, what the servers still need, the chart library.
setup: $(READY)
	@$(BIN)/python -P -m connectors.services.setup servers npm
	@$(MAKE) -s --no-print-directory $(CHARTS)

# Tests also drive a browser.
setup-test: setup
	@$(BIN)/python -P -m connectors.services.setup chromium chromedriver

$(READY): requirements/dev.lock pyproject.toml .ci/make-venv
	@sh .ci/make-venv $(VENV) requirements/dev.lock
	@touch $@

$(CHARTS): connectors/console/package.json connectors/console/package-lock.json
	@echo "setup: fetching the chart library" >&2
	@npm run --silent --prefix connectors/console vendor >&2
	@touch $@

lint: $(READY)
	@sh .ci/lint $(BIN)

check: lint
	@echo "check: unit tests" >&2
	@$(BIN)/pytest -q --fast -n 2 --dist worksteal

# Tests often wait for servers: there are four processes of them for two processors. Lint has what they leave, and the last
# word beside theirs. What pytest makes of the tests' code before it runs is made once, not by each process of a first run.
test: setup-test
	@$(BIN)/python -P -m connectors.services.setup built
	@echo "test: everything, on real servers" >&2
	@nice -n 19 sh .ci/lint $(BIN) & linting=$$!; \
	ls tests/__pycache__/conftest*pytest*.pyc >/dev/null 2>&1 || $(BIN)/pytest -q --collect-only >/dev/null 2>&1; \
	$(BIN)/pytest -n 4 --dist worksteal --durations=10 --junitxml=build/tests.xml; tested=$$?; \
	wait $$linting && exit $$tested

demo: setup
	@exec $(BIN)/dosetwin demo

bench: setup
	@$(BIN)/dosetwin bench --json

soak: setup
	@$(BIN)/python -m tests.faults.soak --out soak

validate: $(READY)
	@$(BIN)/dosetwin validate --out validation

docs: $(READY)
	@$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees docs build/docs
	@echo "docs: build/docs/index.html" >&2

papers: $(READY)
	@$(BIN)/dosetwin papers parts
	@$(BIN)/dosetwin papers write

# The chart library is fetched and not committed: a wheel made without it would have a page without charts.
wheel: $(READY) $(CHARTS)
	@$(BIN)/uv build -q --wheel -o dist .
	@echo "wheel: $$(ls dist/*.whl)" >&2

lock: $(READY)
	$(COMPILE) --extra cluster --group dev --output-file requirements/dev.lock
	$(COMPILE) --constraint requirements/dev.lock --output-file requirements/runtime.lock

clean:
	@if [ -x $(BIN)/dosetwin ] && [ -d .dosetwin ]; then $(BIN)/dosetwin services down; fi
	rm -rf docs/reference/made $(VENV) .dosetwin .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist validation soak
	rm -rf connectors/console/static/vendor connectors/console/node_modules tests/compose/node_modules tests/oidc/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
