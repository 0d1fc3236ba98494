# Every target brings what it needs; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help
export STACKYARD_CACHE ?= $(HOME)/.cache/stackyard
# Python starts some thousand times here and loads large packages: it compiles each of them once
unexport PYTHONDONTWRITEBYTECODE
RUN := .venv/bin/python -m
STACK ?= dev
# what the tests start themselves knows nothing of the make that runs them
BARE := not integration and not engine and not e2e
PYTEST := env -u MAKEFLAGS -u MAKELEVEL $(RUN) pytest

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: .venv/.synced ## Fresh machine to a cited answer from the exported URL (STACK=dev)
	@$(RUN) stackyard up --stack $(STACK)

down: .venv/.synced ## Stop everything and keep the data
	@$(RUN) stackyard down --stack $(STACK)

serve: .venv/.synced ## The same service as processes, without Kubernetes or containers
	@$(RUN) stackyard serve

tools: .venv/.synced ## Provide the pinned tools: docker, kind, kubectl, helm, pulumi
	@$(RUN) tools

# the journeys wait more than they work: the other tiers run beside them
test: .venv/.tested ## Fresh machine to all tiers passed
	@$(MAKE) --no-print-directory -j 2 in-a-row e2e SHOW='2>&1 | sed -u "s/^/$$@: /"'
	@echo "all tiers passed"

in-a-row:
	@for tier in check unit contract integration engine; do $(MAKE) --no-print-directory "$$tier" || exit; done

check: .venv/.tested ## Format, lint and types
	@(.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy) $(SHOW)

unit: .venv/.tested ## The rooms by themselves, no network but loopback
	@$(PYTEST) tests -q -n auto -m "$(BARE)" --ignore=tests/contract $(SHOW)

contract: .venv/.tested ## Between the rooms, and against the outside's contracts
	@$(PYTEST) tests/contract -q -m "$(BARE)" $(SHOW)

integration: .venv/.tested ## Real HTTP against processes on this machine
	@$(PYTEST) tests -q -m integration $(SHOW)

engine: .venv/.tested ## Programs through the real Pulumi engine and other tools, without a cluster
	@$(PYTEST) tests -q -m engine $(SHOW)

e2e: .venv/.tested ## Journeys on a real kind cluster of their own
	@$(PYTEST) tests -v -m "e2e and not long" $(SHOW)

long: .venv/.tested ## The journeys that `make test` leaves out
	@$(PYTEST) tests -v -m long $(SHOW)

fix: .venv/.tested ## Format and repair what ruff can
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: .venv/.synced ## The engine against its peers: table, plots, latest.json (BENCH=--quick)
	@$(RUN) bench engine $(BENCH)
	@$(RUN) bench page

chaos: .venv/.tested ## Break it on purpose, then look (CHAOS="store-away disk-full --scale 10")
	@$(RUN) tests.chaos $(CHAOS)

figures: bench .venv/.tested ## The long runs: make bench, the stack, which is brought up (STACK=dev), leaks, chaos, fuzz
	@$(RUN) bench stack --stack $(STACK)
	@STACKYARD_BUNDLE_FIGURES=bench/results/bundle.json STACKYARD_KILLS=20 \
	  STACKYARD_KILLS_REPORT=bench/results/bundle-kills.json \
	  $(RUN) pytest -q tests/stackyard/bundle/test_figures.py tests/stackyard/bundle/test_interrupted.py
	@$(RUN) tests.chaos --scale 10 --json bench/results/chaos.json
	@$(RUN) tests.leaks 100000
	@$(RUN) tests.fuzz --inputs 1000000 --json bench/results/fuzz.json
	@$(RUN) tests.schemas --cases 14000 --json bench/results/schemas.json
	@$(RUN) tests.soak 100 1000

audit: .venv/.synced ## Known holes in what is locked, by a given export of OSV, offline (OSV="PyPI.zip Go.zip")
	@$(RUN) tools.audit $(OSV)

eks-packages: .venv/.synced ## What stacks of kind eks need besides: 121 MB of typed AWS resources
	@uv="$$(tools/find-uv.sh)" && "$$uv" sync --frozen --quiet --inexact --group eks

s3-packages: .venv/.synced ## What `stackyard ingest s3://...` needs besides: 30 MB
	@uv="$$(tools/find-uv.sh)" && "$$uv" sync --frozen --quiet --inexact --group s3

# inexact: what a second target has added stays
.venv/.synced: pyproject.toml uv.lock
	@uv="$$(tools/find-uv.sh)" && "$$uv" sync --frozen --quiet --inexact && touch $@

.venv/.tested: pyproject.toml uv.lock
	@uv="$$(tools/find-uv.sh)" && "$$uv" sync --frozen --quiet --inexact --group dev --group eks && touch .venv/.synced $@

.PHONY: help up down serve tools eks-packages s3-packages test in-a-row check unit contract integration engine e2e long fix bench chaos figures audit
