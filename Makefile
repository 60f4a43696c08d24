# Everything a newcomer needs: `make demo` and `make test`. Both make the environment they run in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

.PHONY: sbom audit help demo test test-full soak quick quick-half quick-rest sdk bench work lint types unit format docs picture wheel pins clean

help:
	@echo "make demo     analyse a phantom exam of known calcium mass on a real Triton server"
	@echo "make test     lint, types and all tests, the real server included"
	@echo "make test-full  what takes too long for that: every fault, stall and damaged file"
	@echo "make soak     a server at full load under faults for MINUTES=30; figures in out/soak"
	@echo "make quick    lint and the tests that take no server: a good minute"
	@echo "make sdk      the tests of the SDK, on any Python from 3.10"
	@echo "make bench    speed and memory beside the bare network and peers: ten minutes on two idle cores"
	@echo "make work     instructions of one small image, written down anew for the test that counts them"
	@echo "make sbom     what the environment is made of (CycloneDX); make audit asks what is known against the images' packages"
	@echo "make docs     the documentation as a site in out/site"
	@echo "make lint | types | unit | format | wheel | picture | pins | clean"

# One stamp a set of extras; dev holds server and test-sdk, so that it serves for all three.
$(VENV)/.server: pyproject.toml
	@$(PYTHON) scripts/check_python.py
	@echo "installing bacctl[server] into $(VENV); this takes a minute"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable ".[server]"
	@touch $@

$(VENV)/.dev: pyproject.toml
	@$(PYTHON) scripts/check_python.py
	@echo "installing bacctl[dev] into $(VENV); this takes some minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable ".[dev]"
	@touch $(VENV)/.server $(VENV)/.sdk $@

$(VENV)/.sdk: pyproject.toml
	@echo "installing bacctl[test-sdk] into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable ".[test-sdk]"
	@touch $@

$(VENV)/.docs: pyproject.toml
	@$(PYTHON) scripts/check_python.py
	@echo "installing bacctl[docs] into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable ".[docs]"
	@touch $@

demo: $(VENV)/.server
	@$(BIN)/bacctl demo --out out/demo

test: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types
	@$(MAKE) --no-print-directory unit

# On top of `make test`. FULL="tests/faults -k stall" takes a part of it.
test-full: $(VENV)/.dev
	$(BIN)/pytest -m full $(FULL)

MINUTES ?= 30
soak: $(VENV)/.dev
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES)

# While one works: no server, no phantom woman, no training. In two halves that take as long, on two cores.
QUICK := $(BIN)/pytest --quiet -m "not e2e and not slow"
HALF := tests/imaging tests/training tests/evaluation tests/export
quick: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target quick-half quick-rest lint

quick-half:
	$(QUICK) $(HALF)

quick-rest:
	$(QUICK) $(HALF:%=--ignore=%)

# What holds on Pythons that the server does not run on.
sdk: $(VENV)/.sdk
	$(BIN)/pytest tests/sdk

# AGAINST="PATH PATH" measures other checkouts or wheels side by side; BENCH="--quick" only tries it.
bench: $(VENV)/.dev
	$(BIN)/bacctl bench --out out/bench $(addprefix --against ,$(AGAINST)) $(BENCH)
	$(BIN)/python benchmarks/peers.py --out out/bench $(BENCH)
	$(BIN)/python benchmarks/roofline.py > out/bench/roofline.md

work: $(VENV)/.dev
	$(BIN)/python benchmarks/work.py --update

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

types: $(VENV)/.dev
	$(BIN)/mypy

# One process has the servers, the other all else (tests/conftest.py); PROCESSES=0 is one for all.
PROCESSES ?= 2
unit: $(VENV)/.dev
	$(BIN)/pytest --numprocesses=$(PROCESSES) --no-loadscope-reorder

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The theme's notice about its successors is no warning about these pages.
docs: $(VENV)/.docs
	@$(BIN)/python scripts/schema_page.py --check
	@$(BIN)/python scripts/errors_page.py --check
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "out/site/index.html"

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel --no-isolation

# The picture in the README, from a demo of this tree.
picture: demo
	$(BIN)/python scripts/readme_picture.py out/demo docs/images/demo-overlay.png

# The versions that the images take with the digests of their files, found anew; needs uv. UPGRADE= keeps the
# versions. The images have Python 3.11, NVIDIA's has 3.12.
UPGRADE ?= --upgrade
PIN = uv pip compile --quiet $(UPGRADE) --generate-hashes --no-header --no-annotate --python-platform x86_64-manylinux_2_36
REQUIREMENTS := docker/requirements
pins:
	$(PIN) --python-version 3.11 $(REQUIREMENTS)/build.in -o $(REQUIREMENTS)/build.txt
	$(PIN) --python-version 3.11 pyproject.toml --extra server -o $(REQUIREMENTS)/cpu.txt
	$(PIN) --python-version 3.11 pyproject.toml --extra dicom -o $(REQUIREMENTS)/sdk.txt
	$(PIN) --python-version 3.12 pyproject.toml $(REQUIREMENTS)/server.in --extra dicom -o $(REQUIREMENTS)/server.txt

# What the environment is made of, in CycloneDX, and what is known against what the images take. Tools of their
# own: neither belongs to the environment that it describes.
TOOLS := out/tools
$(TOOLS)/.made: $(REQUIREMENTS)/build.txt
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --disable-pip-version-check --quiet -r $<
	@$(TOOLS)/bin/python -m pip install --disable-pip-version-check --quiet pip-audit
	@touch $@

sbom: $(VENV)/.server $(TOOLS)/.made
	@$(TOOLS)/bin/cyclonedx-py environment --of JSON --output-reproducible --pyproject pyproject.toml \
		-o out/bacctl.cdx.json $(BIN)/python
	@echo "out/bacctl.cdx.json"

audit: $(TOOLS)/.made
	@for name in build cpu sdk server; do echo "$$name"; \
		$(TOOLS)/bin/pip-audit --strict --require-hashes --disable-pip -r $(REQUIREMENTS)/$$name.txt || exit 1; done

clean:
	rm -rf $(VENV) out build dist bacctl-out .mypy_cache .ruff_cache .pytest_cache
