# "make" lists the targets.

GO      ?= go
FUZZTIME ?= 30s
# The packages that check, test and fuzz look at.
PKG     ?= ./...
# The race detector needs a C compiler; "make test" installs one where it can.
RACE     = $(if $(shell command -v gcc || command -v cc),-race)
# How long all tests of one package may take.
TIMEOUT ?= 20m

.DEFAULT_GOAL := help
.PHONY: help build demo check lint prepare test bench fidelity fuzz clean clean-cache

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the one static binary, bin/myreplay
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/myreplay ./cmd/myreplay

demo: build ## record, replay and report with throwaway servers, within a minute
	$(GO) -C demo run . ../bin/myreplay

lint: ## format, vet, staticcheck, house rules
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet $(PKG)
	$(GO) tool staticcheck $(PKG)
	$(GO) test ./internal/tidy
	$(if $(wildcard demo/go.mod),$(GO) -C demo vet ./...)

check: lint ## the quick checks: lint, and the tests that need no server
	$(if $(RACE),,@echo "no C compiler: without the race detector")
	$(GO) test $(RACE) -short $(PKG)

prepare: ## fetch what the tests run: tools, private servers, npm clients
	scripts/test-tools
	$(GO) run ./internal/mysqltest/serve -prepare

# A second make, since prepare may have installed the C compiler.
test: prepare ## everything: the checks, then all tests on real servers
	$(MAKE) check
	$(GO) test -count=1 -timeout $(TIMEOUT) $(PKG)

bench: ## the measurements of the documents
	scripts/bench

fidelity: ## how faithful replays are: docs/FIDELITY.md (hours; FIDELITY=quick: minutes)
	scripts/fidelity

fuzz: ## run every fuzz target for FUZZTIME (30s) each
	scripts/fuzz $(FUZZTIME) $(PKG)

clean: ## remove what was built
	rm -rf bin
	find . -name '*.test' -type f -delete

clean-cache: ## remove the private servers and tools of the tests
	cd "$${MYREPLAY_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/myreplay}" && rm -rf roots templates run run.lock npm tls
