# Restart Rules. `make` lists the targets.
#
# CLUSTER=local (default) is a Kubernetes built from source, on this machine, as root on Linux; CLUSTER_NAME is its
# name, for another one beside it, KUBERNETES_VERSION its version.
# CLUSTER=existing is the cluster that KUBECONFIG points at; LOAD_IMAGE is then the command that loads
# an image archive into it, for example LOAD_IMAGE='kind load image-archive'.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export CGO_ENABLED ?= 0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
GO_BUILD := go build -trimpath -ldflags '-s -w'
FUZZTIME ?= 10s
TESTFLAGS ?=
UNIT := ./certs/... ./cmd/... ./docs/... ./manifests/... ./pkg/... ./e2e/all/... ./e2e/bench/gang ./e2e/bench/results ./e2e/chaos/... ./e2e/cluster/... ./e2e/demo/... ./e2e/restartall/...

##@ General

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: images ## Boot a cluster from source, install, run the examples and show what happens.
	@go run ./e2e/demo

.PHONY: demo-down
demo-down: ## Remove the demo's cluster, or from an existing cluster what the demo installed.
	@if [ "$${CLUSTER:-local}" = existing ]; then go run ./e2e/demo --remove; else go run ./e2e/cluster down; fi

.PHONY: dev
dev: deploy ## Rebuild webhook, watcher and shim and swap them into the running cluster.

.PHONY: deploy
deploy: images ## Install into the cluster (which is booted if there is none), or upgrade it.
	@go run ./e2e/deploy

.PHONY: undeploy
undeploy: ## Take it out of the cluster again.
	@go run ./e2e/deploy --remove

##@ Build

# The garbage collector that takes less memory where there is next to no garbage. The watcher takes as much with either.
SMALL := GOOS=linux GOEXPERIMENT=nogreenteagc

# Programs that begin where their runtime is told not to wake them all the time.
GO_BUILD_CALM := go build -trimpath -ldflags '-s -w -E restartrules.dev/pkg/sysmon.entry'

# $(call binaries,DIR) builds what the images hold, for Linux and GOARCH.
define binaries
	@mkdir -p $(1)
	@GOOS=linux $(GO_BUILD) -o $(1)/webhook ./cmd/webhook
	@GOOS=linux $(GO_BUILD_CALM) -o $(1)/watcher ./cmd/watcher
	@GOOS=linux $(GO_BUILD) -o $(1)/prober ./cmd/prober
	@$(SMALL) $(GO_BUILD) -tags nethttpomithttp2 -o $(1)/reporter ./cmd/reporter
	@$(SMALL) $(GO_BUILD_CALM) -o $(1)/shim ./cmd/shim
endef

.PHONY: build
build: ## Build the binaries into bin/; the kubectl plugin for this machine.
	$(call binaries,bin)
	@GOOS=linux $(GO_BUILD) -o bin/app ./e2e/app
	@$(GO_BUILD) -o bin/kubectl-restartrules ./cmd/kubectl-restartrules

.PHONY: images
images: build packages ## Assemble the container images into bin/images/, without Docker.
	@go run ./e2e/images --tests

.PHONY: packages
packages: # What the machine lacks, where it can be installed.
	@[ "$${CLUSTER:-local}" = existing ] || go run ./e2e/cluster packages

##@ Release

REGISTRY ?=
TAG ?= $(shell git describe --tags --always --dirty)
ARCHITECTURES := amd64 arm64
RELEASE = cd release && go run . --root=.. --registry='$(REGISTRY)' --tag='$(TAG)' --architectures='$(ARCHITECTURES)'

.PHONY: $(ARCHITECTURES:%=binaries-%)
$(ARCHITECTURES:%=binaries-%): export GOARCH = $(@:binaries-%=%)
$(ARCHITECTURES:%=binaries-%):
	$(call binaries,bin/linux-$(GOARCH))

.PHONY: release-binaries
release-binaries: $(ARCHITECTURES:%=binaries-%) # What the released images hold, for each architecture.

.PHONY: release-images
release-images: release-binaries licenses ## The images for all architectures, as OCI layouts in bin/release/images.
	@$(RELEASE) images

.PHONY: push
push: release-binaries licenses ## Push the images of all architectures to REGISTRY, tagged TAG; print their digests.
	@$(RELEASE) push

.PHONY: release-manifests
release-manifests: release-binaries licenses chart ## Manifests and chart with images of REGISTRY by digest, in bin/release.
	@$(RELEASE) manifests

PLUGIN_URL ?= https://restartrules.dev/releases/$(TAG)
PLUGIN_PLATFORMS ?= linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64

.PHONY: plugin
plugin: ## The kubectl plugin for PLUGIN_PLATFORMS, and krew's plugin.yaml for archives below PLUGIN_URL; TAG is v1.2.3.
	@rm -rf bin/plugin bin/release/plugin
	@for platform in $(PLUGIN_PLATFORMS); do \
		binary=bin/plugin/$$platform/kubectl-restartrules; case $$platform in windows-*) binary=$$binary.exe;; esac; \
		GOOS=$${platform%-*} GOARCH=$${platform#*-} $(GO_BUILD) -o $$binary ./cmd/kubectl-restartrules; \
	done
	@$(RELEASE) plugin --plugin-url='$(PLUGIN_URL)'

.PHONY: docs
docs: ## Bring what of docs/ follows from the code up to date: tables, the reference, pictures.
	@go generate ./docs/...
	@go test ./cmd/webhook -run TestMetricsAreDocumented -update

.PHONY: chart
chart: ## Bring what charts/restartrules takes from manifests/ up to date.
	@$(RELEASE) chart

.PHONY: sbom
sbom: release-binaries ## What the images hold, as CycloneDX JSON in bin/release/sbom.
	@$(RELEASE) sbom

.PHONY: licenses
licenses: release-binaries ## The licences of all that is linked, in bin/linux-*/licenses, from where the images take them.
	@$(RELEASE) licenses

##@ Test

.PHONY: test
test: ## Everything that must pass.
	@go run ./e2e/all

.PHONY: test-unit
test-unit: ## Unit tests, on real processes where there are any. No root, any system.
	go test $(TESTFLAGS) $(if $(RUN),-run '$(RUN)') $(UNIT)

.PHONY: test-race
test-race: ## The unit tests under the race detector.
	CGO_ENABLED=1 go test -race $(if $(RUN),-run '$(RUN)') $(UNIT)

.PHONY: test-differential
test-differential: ## Validation and decisions against Kubernetes' own code (compiles it: minutes, once).
	cd differential && go test -count=1 -v -timeout 30m ./...

.PHONY: test-docs
test-docs: ## The documentation: links, snippets, generated pages, and its commands, typed on a cluster of their own.
	go test ./docs/...
	go test -tags e2e -count=1 -v -timeout 10m ./e2e/docs

.PHONY: test-release
test-release: ## Manifests, chart, images: schemas, Pod Security, the same objects from both, digests.
	cd release && go test -count=1 -timeout 20m ./...

.PHONY: test-integration
test-integration: ## Admission against a real kube-apiserver.
	go test -tags integration -count=1 $(if $(RUN),-run '$(RUN)') ./e2e/integration

.PHONY: test-lookup
test-lookup: ## 100 admissions at once whose images are in registries that fail, each in its own way; prints figures.
	go test -tags integration -count=1 -v -timeout 10m $(if $(RUN),-run '$(RUN)') ./e2e/registry ./e2e/lookup

.PHONY: test-total
test-total: ## Whether stopping is total: trees, daemons, fork bombs, exec sessions, each 100 times (root on Linux, no cluster).
	go test -tags e2e -count=1 -v -timeout 20m ./e2e/total -runs=$(or $(RUNS),100)

.PHONY: test-node
test-node: ## The cluster from source itself: boots, replaces what is broken, leaves nothing.
	@[ "$${CLUSTER:-local}" = existing ] || go test -tags e2e -count=1 -v -timeout 10m $(if $(RUN),-run '$(RUN)') ./e2e/cluster/node

.PHONY: test-e2e
test-e2e: images ## The whole on a real kubelet.
	go test -tags e2e -count=1 -v -parallel 12 -timeout 40m $(if $(RUN),-run '$(RUN)') ./e2e/tests

VERSIONS ?= 1.29.15 1.33.13 1.34.4 1.36.3

.PHONY: test-versions
test-versions: images ## The same on each of VERSIONS, a cluster each (builds those that are missing: minutes).
	@for version in $(VERSIONS); do \
		echo "Kubernetes $$version"; \
		CLUSTER_NAME=e2e-$${version//./-} KUBERNETES_VERSION=$$version go test -tags e2e -count=1 -v -parallel 12 -timeout 40m ./e2e/tests; \
		go run ./e2e/cluster down --name "e2e-$${version//./-}"; \
	done

# What differs most between versions of API server and kubelet, and is done in three minutes. Without preStop hooks by HTTP,
# of which the shim hears only in time if the node does not stand still for half a second.
CORE := ARestartInPlaceKeepsThePod|TheCommandsOwnCodeReachesTheKubelet|NothingRestartsOnDeletion|AJob.*|AnInitContainer.*|ApplyTwice
CORE := $(CORE)|WhatKubectlSaysOfInvalidRules|AnOutageOfTheWebhook|PodsThatDontAskAreUntouched|RestartAllOnDemand|WhatHangsIsRestartedInPlace
SECOND ?= 1.33.13

.PHONY: test-second
test-second: images ## The core of the end-to-end tests on a second version, SECOND, whose API server has no fields for rules.
	@export CLUSTER_NAME=second KUBERNETES_VERSION=$(SECOND); code=0; \
	go test -tags e2e -count=1 -v -parallel 12 -timeout 20m -skip 'RestartsOnDeletion/preStop_httpGet' -run '$(or $(RUN),^Test($(CORE))$$)' ./e2e/tests || code=$$?; \
	[ -n "$${KEEP:-}" ] || go run ./e2e/cluster down --name second; exit $$code

.PHONY: test-matrix
test-matrix: images ## Every workload kind on Kubernetes 1.33, 1.34 and 1.35, and side by side with its own restart rules.
	go test -tags e2e -count=1 -v -parallel 60 -timeout 40m -skip '^TestUpgrade$$' $(if $(RUN),-run '$(RUN)') ./e2e/matrix

.PHONY: test-upgrade
test-upgrade: images ## Upgrade a cluster from Kubernetes 1.33 to 1.36 under stored manifests: what was emulated comes out native.
	go run ./e2e/cluster build --version 1.36.3
	go test -tags e2e -count=1 -v -parallel 60 -timeout 30m -run '^TestUpgrade$$' ./e2e/matrix

.PHONY: test-restartall
test-restartall: images ## Pods that restart all their containers, side by side with Kubernetes 1.36.
	go test -tags e2e -count=1 -v -parallel 8 -timeout 30m $(if $(RUN),-run '$(RUN)') ./e2e/restartall -native=$(or $(NATIVE),build)

.PHONY: test-reports-api
test-reports-api: ## Who may report what, whom Pods trust, what is written; on an API server without nodes.
	go test -tags integration -count=1 -v -timeout 10m $(if $(RUN),-run '$(RUN)') ./e2e/reports/api

.PHONY: test-reports
test-reports: images ## What users see of restarts in place, and how long it takes; prints figures.
	@[ "$${CLUSTER:-local}" = existing ] || go test -tags e2e -count=1 -v -parallel 6 -timeout 20m $(if $(RUN),-run '$(RUN)') ./e2e/reports

.PHONY: test-monitoring
test-monitoring: ## The dashboard's queries and the alerts: that their metrics exist, and when which alert fires, by Prometheus' own code.
	cd e2e/monitoring && go test -count=1 ./...

.PHONY: test-check
test-check: images ## Break an installation in each way that kubectl restartrules check finds: exactly that code, gone when it is mended.
	go test -tags e2e -count=1 -v -timeout 20m $(if $(RUN),-run '$(RUN)') ./e2e/check

.PHONY: test-chaos
test-chaos: images ## What restarts of whole Pods survive: kills at every step, full disks, a kubelet that restarts. SEED=N replays a run.
	go test -tags e2e -count=1 -v -parallel 24 -timeout 40m $(if $(SKIP),-skip '$(SKIP)') ./e2e/chaos -seed=$(or $(SEED),0)

.PHONY: test-installs
test-installs: images ## Install with kustomize and Helm, with cert-manager and without, in any order; upgrade, change certificates, remove. 30 s of load.
	go test -tags e2e -count=1 -v -timeout 30m -skip '$(or $(SKIP),TestReleases)' $(if $(RUN),-run '$(RUN)') ./e2e/installs

.PHONY: test-releases
test-releases: images ## Upgrade from an earlier release (BEFORE, a revision) and back: no Pod refused, those that run restart in place.
	go test -tags e2e -count=1 -v -timeout 20m ./e2e/installs -run TestReleases $(if $(BEFORE),-before='$(BEFORE)')

.PHONY: test-load
test-load: images ## LOAD_FOR (10m) of 50 admissions/s under restarts, rotations and a rolling upgrade: no error, no Pod left out.
	go test -tags e2e -count=1 -v -timeout 60m ./e2e/installs -run TestLoad -load-for=$(or $(LOAD_FOR),10m)

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME, a duration or a number of runs like 10000x.
	@for target in $$(grep -rhoE --include='*_test.go' 'func Fuzz[A-Za-z]+' pkg cmd | sed 's/func //' | sort -u); do \
		for package in $$(grep -rlE --include='*_test.go' "func $$target\(" pkg cmd | xargs -n1 dirname | sort -u); do \
			echo "$$package $$target"; \
			go test ./$$package -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x; \
		done; done

.PHONY: lint
lint: ## gofmt, go vet and staticcheck, for all build tags.
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	go vet -tags 'e2e integration' ./...
	go run $(STATICCHECK) -tags 'e2e,integration' ./...
	@# Only vet: staticcheck would look into all of Kubernetes, Helm and cert-manager, for minutes.
	for module in differential release e2e/certmanager e2e/monitoring; do (cd $$module && go vet ./...); done

GOVULNDB ?=
VULNDB = $(if $(GOVULNDB),-db '$(GOVULNDB)')

.PHONY: vulncheck
vulncheck: ## Known vulnerabilities in what is linked. Asks vuln.go.dev, or GOVULNDB: URL of a mirror, file:///DIR of a copy.
	@GOBIN=$(CURDIR)/bin/tools go install $(GOVULNCHECK)
	@# A small package first: whether there is a database is said before all packages are loaded.
	@bin/tools/govulncheck $(VULNDB) ./pkg/exitcodes >bin/vulncheck.log 2>&1 || { cat bin/vulncheck.log; \
		! grep -q 'fetching vulnerabilities' bin/vulncheck.log || \
			echo 'vulncheck: NOTHING WAS CHECKED: the database $(or $(GOVULNDB),https://vuln.go.dev) could not be read; GOVULNDB names another' >&2; \
		exit 1; }
	@for module in . release; do echo "govulncheck: module $$module"; (cd $$module && $(CURDIR)/bin/tools/govulncheck $(VULNDB) ./...); done

##@ Measure

ROWS ?=

.PHONY: bench
bench: build images bench-peers ## Side by side with Kubernetes 1.36 and with init systems: a table, docs/benchmarks.md. 40 minutes; ROWS=restarts|gang for some.
	@rm -f $(if $(ROWS),,bin/bench/*.json)
	@failed=; go test -tags e2e -count=1 -v -parallel 4 -timeout 80m $(if $(ROWS),-run '/^($(ROWS))$$') ./e2e/bench || failed=1; \
		go run ./e2e/bench/page && [ -z "$$failed" ]

PEERS = tini dumb-init s6 runit

.PHONY: bench-peers
bench-peers:
	@missing=; for peer in tini dumb-init s6-supervise runsv; do command -v $$peer >/dev/null || missing="$$missing $$peer"; done; [ -z "$$missing" ] || \
		{ command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(PEERS) >/dev/null; } || \
		echo "not measured beside the shim, because it isn't there:$$missing; on Debian: apt-get install $(PEERS)"

.PHONY: bench-quick
bench-quick: build ## Under a minute, no cluster.
	@ls -l bin/shim bin/watcher | awk '{printf "%-12s %8d bytes\n", $$NF, $$5}'
	go test -run '^$$' -bench . -benchtime 500x ./pkg/supervise
	go test -run '^$$' -bench . ./pkg/rules ./pkg/validation ./pkg/admission ./pkg/entrypoint

.PHONY: bench-storm
bench-storm: ## WATCHERS (10,000) report a restart of their whole Pod within 10 s, to an API server; writes, memory, time. 10 minutes.
	go test -tags integration -count=1 -v -timeout 20m -run TestStorm ./e2e/reports/api -watchers=$(or $(WATCHERS),10000)
