# Development of udplb. `make demo` shows the main job; `make test` proves the project.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
PYTEST := $(BIN)/python -m pytest --no-header -q

.PHONY: demo test e2e test-all test-newest test-fast lint cover programs sidecar docs golden images push clean fuzz bench

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "udplb needs Python 3.11 or newer: install it, or name it with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) has no venv: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is needed: install one (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }
	@echo "installing the Python side into .venv (once; a minute or two)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The Go programs of the test control plane build beside the installation.
demo:
	@$(PYTHON) -m tests.lab.programs >/dev/null & \
	$(MAKE) --no-print-directory $(STAMP) && KEEP=$(KEEP) $(BIN)/python -m tests.lab.demo

programs:
	@$(PYTHON) -m tests.lab.programs etcd kube-apiserver kubectl helm lbc-model actionlint
	@$(PYTHON) -m tests.lab.debian

sidecar: $(STAMP)
	@$(MAKE) --no-print-directory -C sidecar

# The long run over the sidecar: each parser for SECONDS, then its process tests under sanitizers.
fuzz: $(STAMP)
	@$(MAKE) --no-print-directory -C sidecar fuzz build/udp-healthcheck-checked
	ASAN_OPTIONS=detect_leaks=0 UDP_HEALTHCHECK=sidecar/build/udp-healthcheck-checked \
	  $(PYTEST) tests/sidecar -m "sidecar and not shipped"

# What a review of a Service costs, beside its bar.
bench: $(STAMP)
	$(BIN)/python -m tests.bench.policy

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-fast: lint
	$(PYTEST) tests/policy tests/certs tests/webhook -m "not cluster"

test: programs lint sidecar
	rm -f .coverage .coverage.*
	$(PYTEST) tests --ignore=tests/e2e --numprocesses=auto --dist=loadfile $(EXTRA) --cov --cov-report=
	$(MAKE) --no-print-directory cover

# One real node with the images and the chart. Needs root and Debian's packages, and says which.
e2e: $(STAMP)
	$(PYTEST) tests/e2e

# The long run: ten thousand cases of each property, drills at full length, the newest Kubernetes too.
test-all:
	$(MAKE) --no-print-directory test EXTRA=--hypothesis-profile=long
	$(MAKE) --no-print-directory test-newest

test-newest: export KUBERNETES = newest
test-newest: programs $(STAMP) sidecar
	$(PYTEST) tests/api tests/charts --numprocesses=auto --dist=loadfile

# The policy and the certificates are covered whole, the rest to nine tenths.
cover:
	$(BIN)/coverage report --include='webhook/policy/*,certs/*' --fail-under=100
	$(BIN)/coverage report --omit='webhook/policy/*,certs/*' --fail-under=90

# What is generated from the rules; a test fails while it is stale.
docs: $(STAMP)
	$(BIN)/python -c 'from webhook.policy import catalogue as c; print(c.rules_document(), end="")' > docs/rules.md
	$(BIN)/python -c 'from webhook.policy import catalogue as c; print(c.annotations_document(), end="")' > docs/annotations.md

# What `udplb inject` makes of the examples; a test fails while it is stale.
golden: $(STAMP)
	$(BIN)/python -m tests.examples

REGISTRY ?= localhost
VERSION = $(shell $(PYTHON) -c 'import webhook; print(webhook.__version__)')
IMAGES = $(REGISTRY)/udplb:$(VERSION) $(REGISTRY)/udp-healthcheck:$(VERSION)

# make images REGISTRY=registry.example/team: builds both images for this machine's processor.
images:
	docker build --target webhook -t "$(word 1,$(IMAGES))" .
	docker build --target sidecar -t "$(word 2,$(IMAGES))" .

# make push REGISTRY=registry.example/team: builds both and pushes them.
push:
	@test "$(REGISTRY)" != localhost || { echo "name the registry: make push REGISTRY=registry.example/team" >&2; exit 1; }
	@$(MAKE) --no-print-directory images
	docker push "$(word 1,$(IMAGES))"
	docker push "$(word 2,$(IMAGES))"

clean:
	rm -rf .venv sidecar/build .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
