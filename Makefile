# Copyright 2026 The enmesh Authors
# SPDX-License-Identifier: Apache-2.0
#
# Every command a contributor or .ci/run needs. "make help" lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export GOWORK := off

# MODULES are all modules of the repository; CODE is those with code of ours: the
# library and what is nested in it, without the tools, which only pin a version.
SKIP := \( -path ./.cache -o -path ./bin -o -path ./.git -o -name testdata -o -name node_modules \) -prune -o
MODULES := . $(patsubst %/go.mod,%,$(shell find . $(SKIP) -name go.mod -not -path ./go.mod -print | sort))
CODE := $(filter-out ./tools/%,$(MODULES))
GOFILES := find . $(SKIP) -name '*.go' -print0

FUZZTIME ?= 60s
PARALLEL ?= 2
DURATION ?= 5s

# each runs $(1) in every directory of $(2) and stops at the first failure.
define each
@for dir in $(2); do echo "-- $$dir: $(1)"; (cd "$$dir" && $(1)) || exit 1; done
endef

##@ Everyday

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

# A test that needs a server of the real kind names its program as a prerequisite
# here, and finds it through a variable: the rules at the end build it from its tools/.
# The first build of Consul takes some minutes, that of SPIRE as many and a C compiler, and
# later ones nothing. PACED are the packages that make so many calls a second: they have the
# machine to themselves for that.
SERVERS := bin/consul bin/redis-server bin/ratelimit bin/spire-server bin/spire-agent bin/node
PACED := ./internal/scenario ./limit/redislimit

.PHONY: servers
servers: $(SERVERS) ## the servers that tests run against

.PHONY: test
test scenarios: export ENMESH_CONSUL := $(CURDIR)/bin/consul
test scenarios: export ENMESH_REDIS := $(CURDIR)/bin/redis-server
test scenarios: export ENMESH_RATELIMIT := $(CURDIR)/bin/ratelimit
test scenarios: export ENMESH_SPIRE := $(CURDIR)/bin
test scenarios: export ENMESH_NODE := $(CURDIR)/bin/node
# Documents of Istio's are read where their folder stands beside the checkout, as in .ci/run.
ifneq ($(wildcard ../shared/istio-samples),)
test: export ENMESH_ISTIO_SAMPLES ?= $(abspath ../shared/istio-samples)
endif
test: $(SERVERS) ## all tests, race detector on, order shuffled
	$(call each,go test -race -shuffle=on -p $(PARALLEL) -timeout 20m $$(go list ./... | grep -v $(PACED:.%=-e %$$)),$(CODE))
	go test -race -shuffle=on -p 1 -timeout 30m $(PACED)
	@$(MAKE) --no-print-directory allocs full-size

# SECURED and ABUSED are tests of times, sizes and allocations that the race detector would
# falsify: with it they are smaller, have a laxer bound, or say nothing.
SECURED := TestScenarioA7_unknownKeys TestScenarioA14_tenThousandRules TestScenarioA15_oracle TestScenarioA15_grpc \
	TestScenarioT10_badCertificates TestEngine_allocatesNothing TestEngine_refusalIsCheap TestAllocations \
	TestHandler_strippingCostsNothingWhereThereIsNothing TestHandler_aRefusalCostsLittle
ABUSED := TestScenarioR1_rapidReset TestScenarioR1_percentile TestScenarioR2_madeYouReset TestScenarioR2_percentile TestScenarioR3_floods TestScenarioR4_largeHeaders TestScenarioR4_overHTTP1 \
	TestScenarioR5_slowHeaders TestScenarioR8_request TestScenarioR8_answer TestScenarioR8_overHTTP \
	TestScenarioT13_silentHandshakes
empty :=
named = '^($(subst $(empty) ,|,$(strip $(1))))$$'

.PHONY: full-size
full-size: ## what is made smaller under the race detector, in its full size
	go test -count=1 -run 'TestSlowStart_survivesChanges|TestMarks' ./balance
	go test -count=1 -run isNeverRejected ./agent/translate
	go test -count=1 -run TestBalancer_staysLinear ./meshgrpc
	go test -count=1 -run 'TestScenarioO1[356]' ./limit
	go test -count=1 -run 'TestScenarioO3_loadToTenTimes|TestScenarioO23_criticalityAtThreeTimes' ./internal/scenario
	go test -count=1 -p 1 -run $(call named,$(SECURED)) ./security/... ./meshhttp
	go test -count=1 -timeout 20m -run $(call named,$(ABUSED)) ./internal/scenario

.PHONY: allocs
allocs: ## what a call through an adapter may allocate, which the race detector hides
	go test -count=1 -run _allocations ./meshhttp ./meshgrpc ./mesh

.PHONY: consul
consul: bin/consul ## run the example on a Consul that it builds and starts
	go run ./examples/consul -consul bin/consul

.PHONY: build
build: ## compile everything and write nothing
	$(call each,go build -mod=readonly -o /dev/null ./...,$(CODE))

.PHONY: fmt
fmt: ## format all Go files in place
	@$(GOFILES) | xargs -0 -r gofmt -w

.PHONY: vet
vet: ## go vet
	$(call each,go vet ./...,$(CODE))

.PHONY: lint
lint: bin/golangci-lint ## golangci-lint, at the version that tools/golangci-lint pins
	$(call each,"$(CURDIR)/bin/golangci-lint" run --config "$(CURDIR)/.golangci.yml" ./...,$(CODE))

##@ Checks

.PHONY: fmt-check
fmt-check: ## fail on a file that gofmt would change
	@files="$$($(GOFILES) | xargs -0 -r gofmt -l)"; \
	if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

.PHONY: headers
headers: ## fail on a Go file without the licence header
	go test -count=1 -run '^TestHeaders$$' ./internal/rules

.PHONY: tidy-check
tidy-check: ## fail on a go.mod or go.sum that go mod tidy would change
	$(call each,go mod tidy -diff,$(MODULES))

.PHONY: vuln
vuln: bin/govulncheck ## known vulnerabilities, where the database can be reached
	@.ci/vuln $(CODE)

.PHONY: cross
cross: ## compile for the other platforms, without cgo
	@for target in linux/arm64 darwin/arm64 windows/amd64; do echo "-- $$target"; \
	CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go build -o /dev/null ./...; done

.PHONY: smoke
smoke: bin/consul bin/node ## run the examples, bookinfo for DURATION (5s), and check what they counted
	@mkdir -p .cache
	go run ./examples/bookinfo -duration $(DURATION) -json >.cache/smoke.json
	go run ./internal/rules/smoke <.cache/smoke.json
	go run ./examples/consul -consul bin/consul
	go run ./examples/secure
	go run ./examples/proxyless -node bin/node
	go run ./cmd/enmesh check -quiet examples/secure/policies examples/bookinfo/policies examples/proxyless/policies

##@ Long

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s), one after the other
	@.ci/fuzz $(FUZZTIME) $(CODE)

# The race detector makes attackers slow, so that servers have lower limits with it; a round
# without it judges attacks in full length and at the default limits.
# Each round of the scenarios has processes of its own: under the race detector one that lasts
# was seen to stand still for longer and longer (0.16, 0.34 and 0.52 s at most in three rounds of one),
# though its heap does not grow.
.PHONY: scenarios
scenarios: $(SERVERS) ## the fault scenarios in full length, three times, and attacks at full size
	@failed=0; for round in 1 2 3; do for dir in $(CODE); do echo "-- $$dir: round $$round"; \
	(cd "$$dir" && ENMESH_SCENARIOS=full go test -race -run '^TestScenario' -count=1 -p 1 -timeout 60m ./...) || failed=1; \
	done; done; \
	echo "-- attacks, without the race detector"; \
	ENMESH_SCENARIOS=full go test -count=1 -p 1 -timeout 60m -run $(call named,$(ABUSED)) ./internal/scenario || failed=1; \
	exit $$failed

.PHONY: bench
bench: ## overhead against bare net/http and grpc-go (BENCH: its flags)
	cd bench && go run . $(BENCH)

# Redis is no Go program: it comes from Debian, or is the machine's own.
bin/redis-server: tools/redis/install
	tools/redis/install bin
	@touch -h "$@"

# Node is the machine's own, or Debian's, with the packages of gRPC that tools/node pins.
bin/node: tools/node/install tools/node/package.json tools/node/package-lock.json
	tools/node/install bin
	@touch "$@"

# One module builds both programs of SPIRE.
bin/spire-server bin/spire-agent &: tools/spire/go.mod tools/spire/go.sum
	@mkdir -p bin
	cd tools/spire && go build -mod=readonly -ldflags '-s -w' -o "$(CURDIR)/bin/" tool
	@touch bin/spire-server bin/spire-agent

# A program of somebody else, built at the version pinned by the module tools/<name>.
bin/%: tools/%/go.mod tools/%/go.sum
	@mkdir -p bin
	cd tools/$* && go build -mod=readonly -ldflags '-s -w' -o "$(CURDIR)/bin/$*" tool
	@touch "$@"
