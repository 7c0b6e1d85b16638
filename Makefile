# Targets for people and for .ci/run. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

GO       ?= go
FUZZTIME ?= 60s
BENCH    ?= .
FAILOVER ?=
ATTACKS  ?=
SUMMARY  := bin/test-summary

# The tests that start processes: other people's programs, and networks of routers. The others are OWN.
PROCESSES = ./internal/lab ./internal/foreign ./internal/contract ./internal/attack ./internal/netlab
OWN = $(shell $(GO) list ./... | grep -v -E '/internal/(lab|foreign|contract|attack|netlab)$$')

.PHONY: help tools build test unit sim sim-large race foreign lint fuzz bench bench-failover bench-attacks demo cover clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: ## install what the tests need and this machine lacks (Debian packages, rhea)
	@.ci/tools

build: ## build bin/postroad
	$(GO) build -trimpath -o bin/postroad ./cmd/postroad

test: tools lint ## all checks and tests: lint, unit, sim, race, foreign
	@mkdir -p $(dir $(SUMMARY)) && rm -f $(SUMMARY)
	@status=0; \
	for run in unit sim race foreign; do $(MAKE) --no-print-directory $$run || status=1; done; \
	echo; cat $(SUMMARY); exit $$status

unit: ## the tests of every package that starts no processes of routers
	@mkdir -p $(dir $(SUMMARY))
	@$(GO) test -json $(OWN) | $(GO) run ./internal/testsum -name unit -record $(SUMMARY)

race: ## the same under the race detector
	@mkdir -p $(dir $(SUMMARY))
	@$(GO) test -race -json $(OWN) | $(GO) run ./internal/testsum -name race -record $(SUMMARY)

foreign: tools ## Proton, rhea and go-amqp through networks of router processes; the contract; attacks; failures (root)
	@mkdir -p $(dir $(SUMMARY))
	@$(GO) test -count=1 -p 1 -json $(PROCESSES) | $(GO) run ./internal/testsum -name foreign -record $(SUMMARY)

sim: ## the mesh in the simulator: SEEDS stories (10000) from seed SEED on; one that fails says how to replay it
	@mkdir -p $(dir $(SUMMARY))
	@GOGC=400 $(GO) test -count=1 -timeout 2h -json -run '^TestMeshKeepsItsInvariants$$' ./mesh/sim \
		-seeds $(or $(SEEDS),10000) -seeds.first $(or $(SEED),1) | $(GO) run ./internal/testsum -name sim -record $(SUMMARY)

sim-large: ## a thousand routers in the simulator, and what a change costs each of them
	$(GO) test -count=1 -timeout 2h -run '^TestLargeMeshConverges$$' -v ./mesh/sim -routers 1000

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(find . -name '*.go' -not -path '*/node_modules/*' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz: ## every fuzz target for FUZZTIME each (60s)
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' $$dir | grep '^Fuzz'); do \
			echo "== $$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

bench: ## benchmarks; BENCH=pattern chooses among them
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-failover: build ## how long messages stop when something fails, in network namespaces (root); FAILOVER=flags
	$(GO) build -trimpath -o bin/failover ./internal/netlab/failover
	@bin/failover -postroad bin/postroad $(FAILOVER)

bench-attacks: ## what a client feels when its router is attacked, with a control; ATTACKS='-run name -rounds 3'
	$(GO) run ./internal/attack/bench $(ATTACKS)

demo: ## a three-cloud mesh on this machine
	$(GO) run ./cmd/postroad demo

cover: ## statement coverage of each function, worst first
	$(GO) test -coverprofile=coverage.out -coverpkg=./... $(OWN)
	@$(GO) tool cover -func=coverage.out | sort -k3 -n | head -50
	@$(GO) tool cover -func=coverage.out | tail -1

clean: ## remove what was built
	rm -rf bin coverage.out internal/foreign/build internal/foreign/rhea/node_modules
