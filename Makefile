# `make demo` and `make test` do all the set-up they need; Python 3.11+, pip and make are enough to start with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .cache/tools
UV := .cache/uv/bin/uv
KUBECONFIG ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
TRIALS ?= 112
WARM_TRIALS ?= 300
CROWD ?= 200
MINUTES ?= 50
# Most tests wait most of the time. A file's tests stay in one worker, with the cluster that they share.
WORKERS ?= 3
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# What waits longest begins first.
EMBEDDED_TESTS := tests/e2e tests/integration tests/migration tests/contract tests/unit
# The tests marked `long` are left to `make test-all` and `.ci/run`; of what they show, the others have a sample.
SELECTION ?= -m "not long"
VERIFY ?=
PYTHONS ?=
PREVIOUS ?=
IMAGE ?=
LOCK_ARGS ?=
LOCK = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"
BUILD_REQUIRES = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")
# A build of its own environment would take what is newest.
EDITABLE = $(BIN)/python -m pip install -q --require-hashes -r requirements-build.lock && \
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
export PATH := $(CURDIR)/$(TOOLS):$(PATH)

.PHONY: help demo wheels packages examples public-types release-check unit test test-all crowds verify-all chart chart-e2e check lint types layers generated generate lock format e2e kueue warm-upgrade faults faults-warm bench bench-warm browser pictures dashboard-pictures site recording conformance clients clean
.DEFAULT_GOAL := help

help: ## Show what there is to make
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/.installed: $(BIN)/python pyproject.toml requirements.lock requirements-build.lock
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	$(EDITABLE)
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml requirements-dev.lock requirements-build.lock
	$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	$(EDITABLE)
	@touch $@ $(VENV)/.installed

$(TOOLS)/.installed: tests/binaries/install $(wildcard tests/binaries/kubectl/*)
	tests/binaries/install $(TOOLS)
	@mkdir -p $(TOOLS) && touch $@

$(TOOLS)/.helm-installed: $(wildcard tests/binaries/helm/*)
	tests/binaries/install $(TOOLS) helm
	@mkdir -p $(TOOLS) && touch $@

demo: $(VENV)/.installed ## Run the whole product on this machine, no cluster needed
	@$(BIN)/mcptasks demo

wheels: $(VENV)/.installed-dev ## Build mcptasks (wheel, sdist) and mcptasks-client (wheel) into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	cd client && ../$(BIN)/python -m hatchling build -t wheel -d ../dist
	$(BIN)/twine check --strict dist/*

# The index is asked for what the wheels need.
packages: $(VENV)/.installed-dev ## The wheels in empty environments: make packages [PYTHONS="python3.12 python3.13"]
	$(BIN)/python -m pytest tests/packages --pythons "$(PYTHONS)" $(PYTEST_ARGS)

# Their requirements are installed apart from ours.
examples: $(VENV)/.installed-dev $(TOOLS)/.installed ## The examples that need more than mcptasks: DuckDB, ONNX Runtime, ffmpeg
	$(BIN)/python -m tests.examples.packages
	$(BIN)/python -m pytest tests/examples $(PYTEST_ARGS)

# The version of pyright is the one that this has been tried with.
public-types: $(VENV)/.installed-dev ## The public names, as programs use them, by mypy and pyright, both strict; needs npm
	$(BIN)/mypy examples
	npm exec --yes -- pyright@1.1.407 --project tests/pyright.json

release-check: $(VENV)/.installed-dev $(TOOLS)/.helm-installed ## All of a release but publishing it: make release-check [KUBECONFIG=...] [PREVIOUS=v0.1.0]
	KUBECONFIG="$(KUBECONFIG)" PREVIOUS="$(PREVIOUS)" IMAGE="$(IMAGE)" release/check

unit: $(VENV)/.installed-dev ## Pure functions and single modules: a minute or two
	$(BIN)/python -m pytest tests/unit $(SPREAD) $(PYTEST_ARGS)

# Of many tasks at once it has a sample.
test: $(VENV)/.installed-dev $(TOOLS)/.installed ## Tests that need no cluster, no Docker and no npm, but those that take longest
	@echo "unit, integration, contract and end-to-end tests on embedded clusters, $(WORKERS) at a time: about 15 minutes"
	$(BIN)/python -m pytest $(EMBEDDED_TESTS) $(SPREAD) $(SELECTION) $(PYTEST_ARGS)

# The crowds keep both cores busy for minutes, the chart needs a helm, the others npm, clients and browser a Chromium.
test-all: SELECTION =
test-all: test crowds packages examples chart conformance clients browser ## All that `make test` leaves out too, hundreds of tasks at once, and packages, examples, chart, conformance, clients, browser

crowds: $(VENV)/.installed-dev $(TOOLS)/.installed ## Hundreds of tasks at once: make crowds [CROWD=200] [KUBECONFIG=...]
	$(BIN)/python -m pytest tests/e2e/test_one_job_per_task.py tests/e2e/test_cancel_kills.py -k "crowd or same_instant" \
		--crowd $(CROWD) $(if $(KUBECONFIG),--kubeconfig "$(KUBECONFIG)") $(PYTEST_ARGS)

verify-all: $(VENV)/.installed-dev $(TOOLS)/.installed ## All that is long, noted in docs/verification.md: make verify-all [VERIFY="faults TRIALS=7"] [KUBECONFIG=...]
	@$(BIN)/python -m tests.verification $(VERIFY) $(if $(KUBECONFIG),--kubeconfig "$(KUBECONFIG)")

chart: $(VENV)/.installed-dev $(TOOLS)/.helm-installed ## Tests of the Helm chart; builds a helm where there is none
	$(BIN)/python -m pytest tests/chart --ignore=tests/chart/cluster $(PYTEST_ARGS)

chart-e2e: $(VENV)/.installed-dev $(TOOLS)/.installed $(TOOLS)/.helm-installed ## The chart on a real cluster, then the e2e suite through it: make chart-e2e KUBECONFIG=...
	@test -n "$(KUBECONFIG)" || { echo "name the cluster: make chart-e2e KUBECONFIG=path/to/kubeconfig" >&2; exit 2; }
	$(BIN)/python -m pytest tests/chart/cluster -x --kubeconfig "$(KUBECONFIG)" $(PYTEST_ARGS)
	$(BIN)/python -m pytest tests/e2e --chart --kubeconfig "$(KUBECONFIG)" $(PYTEST_ARGS)

# Debian's Chromium is installed where there is none and this is root; axe-core comes from npm.
browser: $(VENV)/.installed-dev $(TOOLS)/.installed ## The dashboard in Chromium, with pictures in results/browser; needs npm
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

pictures: $(VENV)/.installed-dev ## Pictures of docs/, drawn anew from real runs
	$(BIN)/python -m tests.pictures.draw_top
	$(BIN)/python -m tests.pictures.draw_trace

# An hour, because that is what the dashboard's overview shows.
dashboard-pictures: $(VENV)/.installed-dev $(TOOLS)/.installed ## The pictures of the dashboard in docs/images: make dashboard-pictures [MINUTES=50]
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m tests.browser.showcase_pictures docs/images $(MINUTES)

site: $(VENV)/.installed-dev ## The documentation as a site in results/site; fails over a link that leads nowhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	$(BIN)/python -m website.foreign_requests results/site

recording: $(VENV)/.installed-dev ## docs/images/demo.svg: what `make demo` prints, in a terminal
	$(BIN)/python -m website.record docs/images/demo.svg make demo

check: lint types layers generated ## Lint, format, types, import layers, generated files, locks, names, links

lint: $(VENV)/.installed-dev ## Ruff: faults and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev ## Mypy, strict, on sources, tests, benchmarks, examples and the site's tools
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks examples website

layers: $(VENV)/.installed-dev ## The import contracts in pyproject.toml
	$(BIN)/lint-imports

generated: $(VENV)/.installed-dev ## Generated files, locks, names, links: what tests/unit/repository and the chart's generator check
	$(BIN)/python -m pytest -q tests/unit/repository
	$(BIN)/python charts/generate.py --check

generate: $(VENV)/.installed-dev ## Write crds/, the chart's copies and the references in docs/
	$(BIN)/mcptasks crds --output crds
	$(BIN)/mcptasks settings -o markdown > docs/settings.md
	@sed -i.old '/^## Reference$$/,$$d' docs/metrics.md && rm docs/metrics.md.old
	$(BIN)/python -m website.crd_reference > docs/crds.md
	{ printf '## Reference\n\n'; $(BIN)/mcptasks metrics -o markdown; } >> docs/metrics.md
	$(BIN)/python charts/generate.py

$(UV):
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip install -q uv

lock: $(UV) $(BIN)/python ## Write requirements*.lock from pyproject.toml; newer versions: make lock LOCK_ARGS=--upgrade
	$(LOCK) pyproject.toml --all-extras $(LOCK_ARGS) -o requirements-dev.lock
	$(LOCK) pyproject.toml --extra otel --constraints requirements-dev.lock -o requirements.lock
	$(BIN)/python -c '$(BUILD_REQUIRES)' | $(LOCK) - --constraints requirements-dev.lock $(LOCK_ARGS) -o requirements-build.lock

format: $(VENV)/.installed-dev ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

e2e: $(VENV)/.installed-dev $(TOOLS)/.installed ## End-to-end tests on a real cluster: make e2e KUBECONFIG=~/.kube/config
	@test -n "$(KUBECONFIG)" || { echo "name the cluster: make e2e KUBECONFIG=path/to/kubeconfig" >&2; exit 2; }
	MCPTASKS_CONTRACT_IMAGE=$${MCPTASKS_CONTRACT_IMAGE:-mcptasks-e2e:dev} \
		$(BIN)/python -m pytest tests/contract tests/e2e --kubeconfig "$(KUBECONFIG)" $(PYTEST_ARGS)

warm-upgrade: $(VENV)/.installed-dev $(TOOLS)/.installed $(TOOLS)/.helm-installed ## From the release before there were workers to templates with executor Warm and back, with tasks running: make warm-upgrade KUBECONFIG=... MCPTASKS_CLUSTER_TOOL=...
	@test -n "$(KUBECONFIG)" || { echo "name the cluster: make warm-upgrade KUBECONFIG=path/to/kubeconfig" >&2; exit 2; }
	env $$(.ci/before-warm .cache/before-warm) $(BIN)/python -m pytest tests/chart/cluster/test_warm_upgrade.py -x --kubeconfig "$(KUBECONFIG)" $(PYTEST_ARGS)

kueue: $(VENV)/.installed-dev $(TOOLS)/.installed ## What the real Kueue does to tasks, on a cluster that has it: make kueue KUBECONFIG=...
	@test -n "$(KUBECONFIG)" || { echo "name a cluster with Kueue: make kueue KUBECONFIG=path/to/kubeconfig" >&2; exit 2; }
	$(BIN)/python -m pytest tests/e2e/test_kueue.py --kueue --kubeconfig "$(KUBECONFIG)" $(PYTEST_ARGS)

faults: $(VENV)/.installed-dev $(TOOLS)/.installed ## Kill every component at every step of a task: make faults [TRIALS=112] [KUBECONFIG=...]
	@$(BIN)/python -m tests.e2e.faults --trials $(TRIALS) $(if $(KUBECONFIG),--kubeconfig "$(KUBECONFIG)") $(FAULTS_ARGS)

faults-warm: $(VENV)/.installed-dev $(TOOLS)/.installed ## The same with workers, and all of their processes as victims: make faults-warm [WARM_TRIALS=300] [KUBECONFIG=...]
	@$(BIN)/python -m tests.e2e.faults --executor Warm --trials $(WARM_TRIALS) $(if $(KUBECONFIG),--kubeconfig "$(KUBECONFIG)") $(FAULTS_ARGS)

bench: $(VENV)/.installed-dev $(TOOLS)/.installed ## Latency, throughput, cost as JSON; on a real cluster: make bench KUBECONFIG=...
	@$(BIN)/python benchmarks/$(if $(KUBECONFIG),cluster.py --kubeconfig "$(KUBECONFIG)",embedded.py) $(BENCH_ARGS)

bench-warm: $(VENV)/.installed-dev $(TOOLS)/.installed $(if $(KUBECONFIG),$(TOOLS)/.helm-installed) ## FastMCP with Redis workers and warm tasks side by side, as JSON; a real cluster: KUBECONFIG=...
	@$(BIN)/python benchmarks/warm.py $(if $(KUBECONFIG),--kubeconfig "$(KUBECONFIG)") $(BENCH_ARGS)

conformance: $(VENV)/.installed-dev ## The official MCP conformance suite on an embedded cluster; needs npm
	@$(BIN)/python -m tests.conformance

# MCP Inspector's page is driven in the Chromium that `make browser` takes.
clients: $(VENV)/.installed-dev ## Foreign MCP clients against our server, our client against foreign servers; needs npm and a Chromium, writes docs/clients.md
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/python -m tests.clients
	$(BIN)/python -m pytest -q tests/clients --timeout 900

clean: ## Remove everything that was installed or built
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build results
