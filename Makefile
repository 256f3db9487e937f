# Everything from a fresh checkout: `make demo` shows the product, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all lint bench clean

demo: $(VENV)/.ready
	@echo "--- pytest --mcr-model lab: a small real Qwen2-Audio, gated on audio-text conflict ---"
	@$(BIN)/pytest --mcr-model lab; code=$$?; \
	if [ $$code -eq 1 ]; then echo "Exit code 1, as it should be: the lab model follows the text, so the gates block it."; \
	else echo "Exit code $$code; expected 1 (the gates block the lab model)."; exit 1; fi

# Threads that wait must sleep, not spin: two test processes share the cores, and spinning takes twice the time.
test test-all: export OMP_WAIT_POLICY := PASSIVE
test test-all: export GOMP_SPINCOUNT := 0

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/run.py

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[hf,endpoint,analysis,lora,report,dev]"
	@touch $@

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
