# Every target brings what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export STACKYARD_CACHE ?= $(HOME)/.cache/stackyard
RUN := .venv/bin/python -m
STACK ?= dev

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

test: check unit contract integration e2e ## Fresh machine to all tiers passed
	@echo "all tiers passed"

check: .venv/.tested ## Format, lint and types
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy

unit: .venv/.tested ## The rooms by themselves, no network but loopback
	@$(RUN) pytest tests -q -n auto -m "not integration and not cluster and not e2e" --ignore=tests/contract

contract: .venv/.tested ## Between the rooms, and against the outside's contracts
	@$(RUN) pytest tests/contract -q -m "not integration and not cluster and not e2e"

integration: .venv/.tested ## Real HTTP against processes on this machine
	@$(RUN) pytest tests -q -m integration

e2e: .venv/.tested ## Journeys on a real kind cluster of their own
	@$(RUN) pytest tests -q -m "(cluster or e2e) and not long"

long: .venv/.tested ## The journeys that `make test` leaves out
	@$(RUN) pytest tests -q -m long

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
	@$(RUN) tests.schemas --cases 10000 --json bench/results/schemas.json
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

.PHONY: help up down serve tools eks-packages s3-packages test check unit contract integration e2e long fix bench chaos figures audit
