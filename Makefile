# Targets for people and for .ci/run. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

GO       ?= go
FUZZTIME ?= 60s
BENCH    ?= .
FAILOVER ?=
ATTACKS  ?=
SUMMARY  := bin/test-summary

# The tests that start processes: other people's programs, and networks of routers.
PROCESSES = $(shell sed '/^\#/d; s,^,./,' .ci/processes.txt)
# The tests that only read files of this repository.
READERS = ./internal/tidy
# The others: they run under the race detector. The longest comes first, so that the others run beside it.
OWN = $(filter-out $(PROCESSES) $(READERS),./router $(shell $(GO) list -f '{{.Dir}}' ./... | sed "s,^$$PWD,.,;/^.\/router$$/d"))

# What target plain runs: the packages and tests of the list, but those that another target runs without the detector.
PLAIN_TESTS    = ^($(shell awk '!/^\#/ && NF == 2 { printf "%s%s", n++ ? "|" : "", $$2 }' .ci/plain.txt))$$
PLAIN_PACKAGES = $(shell awk '!/^\#/ && NF == 2 { print "./" $$1 }' .ci/plain.txt | sort -u)

# Lint vets everything, so that the tests need not. Most tests of routers wait: four at once keep two processors busy.
TEST    = $(GO) test -vet=off -json
SUM     = $(GO) run ./internal/testsum -record $(SUMMARY)
WAITERS = -parallel 4

.PHONY: help tools build check test unit race plain foreign sim sim-large flaky lint fuzz bench bench-failover bench-attacks demo \
	cover clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: ## install what the tests need and this machine lacks (Debian packages, rhea)
	@.ci/tools

build: ## build bin/postroad
	$(GO) build -trimpath -o bin/postroad ./cmd/postroad

check: ## for every save: gofmt, vet, the house rules, and the tests of what differs from MAIN (main), short ones
	@.ci/check $(or $(MAIN),main)

test: tools ## all checks and tests: lint, race, plain, and at once foreign and sim
	@mkdir -p $(dir $(SUMMARY)) && rm -f $(SUMMARY)
	@status=0; \
	for run in lint race plain; do $(MAKE) --no-print-directory $$run || status=1; done; \
	nice -n 19 $(MAKE) --no-print-directory sim > $(dir $(SUMMARY))sim.out 2>&1 & sim=$$!; \
	$(MAKE) --no-print-directory foreign || status=1; \
	wait $$sim || status=1; cat $(dir $(SUMMARY))sim.out; \
	echo; cat $(SUMMARY); exit $$status

race: ## the tests of every package that starts no processes of routers, under the race detector
	@mkdir -p $(dir $(SUMMARY))
	@$(TEST) -race $(WAITERS) $(OWN) | $(SUM) -name race

unit: ## all tests of race without the detector; make test runs only those of plain
	@mkdir -p $(dir $(SUMMARY))
	@$(TEST) $(WAITERS) $(OWN) | $(SUM) -name unit

plain: ## the house rules, and without the detector the tests that it changes (.ci/plain.txt)
	@mkdir -p $(dir $(SUMMARY))
	@status=0; { $(TEST) $(READERS) || status=1; $(TEST) -run '$(PLAIN_TESTS)' $(PLAIN_PACKAGES) || status=1; exit $$status; } | \
		$(SUM) -name plain

foreign: tools ## Proton, rhea and go-amqp through networks of router processes; the contract; attacks; failures (root)
	@mkdir -p $(dir $(SUMMARY))
	@$(TEST) -count=1 -p 1 $(PROCESSES) | $(SUM) -name foreign

sim: ## the mesh in the simulator: SEEDS stories (10000) from seed SEED on; one that fails says how to replay it
	@mkdir -p $(dir $(SUMMARY))
	@GOGC=400 $(TEST) -count=1 -timeout 2h -run '^TestMeshKeepsItsInvariants$$' ./mesh/sim \
		-seeds $(or $(SEEDS),10000) -seeds.first $(or $(SEED),1) | $(SUM) -name sim

sim-large: ## a thousand routers in the simulator, and what a change costs each of them
	$(GO) test -count=1 -timeout 2h -run '^TestLargeMeshConverges$$' -v ./mesh/sim -routers 1000

flaky: ## tests that were ever seen to fail (.ci/flaky.txt), TIMES times (20) each beside a compiler
	@.ci/flaky | $(GO) run ./internal/testsum -name flaky

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
