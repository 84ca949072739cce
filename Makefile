# Everything runs through .venv, which is made on first use and made again when pyproject.toml or constraints.txt change.

PYTHON ?= python3
BIN := .venv/bin
INSTRUCTOR := .venv/.ready
DEVELOPER := .venv/.ready-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# One thread a process: two processes with all threads each only get into each other's way.
export OMP_NUM_THREADS := 1

.PHONY: help demo test test-pages pictures bench prove check catalogues lock

help: ## this list
	@echo "make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(INSTRUCTOR) ## grade a small made-up class and show what comes out
	$(BIN)/autograder demo

test: check ## check, then all tests but those of the pages
	$(BIN)/python -m pytest -n 2 --ignore tests/pages

test-pages: $(DEVELOPER) ## the tests that need a browser
	@$(MAKE) --no-print-directory .chromium
	$(BIN)/python -m pytest tests/pages

pictures: $(DEVELOPER) ## pictures of the demo's pages and of attention -> docs/pictures
	@$(MAKE) --no-print-directory .chromium
	$(BIN)/python docs/pictures/take.py
	$(BIN)/python docs/pictures/attention_map.py

bench: $(DEVELOPER) ## measure what grading costs, beside bare computation, nbgrader and otter: 13 minutes on two quiet cores
	$(PIP) --editable '.[instructor,dev,benchmarks]'
	$(BIN)/python benchmarks/all.py

prove: $(DEVELOPER) ## prove every assignment: solution 100, stub 0, every known mistake caught, fair variants 100
	$(BIN)/autograder audit --prove
	$(BIN)/autograder audit --naming
	$(BIN)/autograder doctor --matrix docs/measured/jail.md
	$(BIN)/python tests/attacks/fuzzing.py --cases 1000000
	$(BIN)/python tests/following.py --write docs/measured/follow_through.md
	$(BIN)/python tests/killing.py --moments 20 --write docs/measured/killed.md
	$(BIN)/python tests/killing_cluster.py --write docs/measured/cluster.md
	$(BIN)/python tests/thousands.py --submissions 2000 --write docs/measured

check: $(DEVELOPER) ## lint, format, types, layers: what needs no test run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

catalogues: $(DEVELOPER) ## sentences of pages and results -> autograder/wording/*.po, and what is translated there -> *.mo
	@for po in autograder/wording/*.po; do \
	  language=$$(basename $$po .po); \
	  $(BIN)/pybabel --quiet extract --mapping-file babel.cfg --keyword N_ --no-location --output-file .catalogue.pot . && \
	  $(BIN)/pybabel --quiet update --ignore-obsolete --no-fuzzy-matching --ignore-pot-creation-date --width 120 --locale $$language \
	    --input-file .catalogue.pot --output-file $$po && \
	  $(BIN)/pybabel compile --statistics --locale $$language --input-file $$po --output-file $${po%.po}.mo || exit 1; \
	done; rm -f .catalogue.pot

lock: $(DEVELOPER) ## the newest releases that pyproject.toml allows -> constraints.txt
	@{ sed '/^# ---/q' constraints.txt; \
	  $(BIN)/pip-compile --quiet --upgrade --extra instructor --extra dev --strip-extras --no-annotate --no-header \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --output-file - pyproject.toml \
	  | sed -E -e '/^(torch|torchvision|triton|nvidia-|cuda-)/d' -e '/^[^=]*$$/d'; } > .constraints.new
	@mv .constraints.new constraints.txt

.chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  [ "$$(id -u)" = 0 ] || { echo "the page tests need Chromium; install it, or run this once as root" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -qq --yes chromium; }

$(INSTRUCTOR): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name one: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "installing into .venv (once; torch is large)"
	$(PYTHON) -m venv .venv
	$(PIP) --editable '.[instructor]'
	@touch $@

$(DEVELOPER): $(INSTRUCTOR)
	$(PIP) --editable '.[instructor,dev]'
	@touch $@
