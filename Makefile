# `make` lists the targets. `make check` is what a change is held against.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# Every module is built by its own go.mod, as its users build it; go.work is for editors and for go commands by hand.
export GOWORK := off
MODULES := . internal/dbtest examples

# The tools have a go.mod of their own, so that they are in nobody's go.sum, and are built once for a version of Go.
BIN := $(CURDIR)/.bin/$(shell go env GOVERSION)
TOOLS := honnef.co/go/tools/cmd/staticcheck github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# EMBEDCRM_FULL=1 runs the whole matrix of internal/dbtest, which is otherwise a part of it.
QUICK := $(if $(EMBEDCRM_FULL),,-short)

# Tests make and drop hundreds of small databases, which is most of their time on a disk: they are put in memory where
# there is room, unless TMPDIR says otherwise. What the go command builds stays where it was.
ROOMY := $(shell df --output=avail -B1G /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 >= 4 { print "/dev/shm" }')
test race: export GOTMPDIR := $(or $(GOTMPDIR),$(TMPDIR),/tmp)
test race: export TMPDIR := $(or $(TMPDIR),$(ROOMY),/tmp)

COUNT ?= 20
FUZZTIME ?= 30s
BENCH ?=

# What the tests run besides Go. $(missing) lists the Debian packages whose programs are not here.
define missing
$$({ compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb; } >/dev/null || echo postgresql; \
   { compgen -G /usr/sbin/pgbouncer || command -v pgbouncer; } >/dev/null || echo pgbouncer; \
   command -v node >/dev/null || echo nodejs)
endef

# $(call each,command) runs the command in every module, also after one failed, and fails if any did.
define each
failed=0; for module in $(MODULES); do echo "== $$module: $(firstword $(notdir $1)) $(word 2,$1)"; (cd $$module && $1) || failed=1; done; exit $$failed
endef

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: check
check: deps lint test race ## Everything a change is held against

.PHONY: deps
deps: ## Install what the tests run and is missing here: Postgres, PgBouncer and Node.js
	@need=$(missing); [ -n "$$need" ] || exit 0; \
	if ! command -v apt-get >/dev/null; then echo "please install" $$need; exit 1; fi; \
	sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$sudo apt-get update -qq; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$need

.PHONY: lint
lint: format vet staticcheck golangci tidy ## All linters over all modules

.PHONY: format
format:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted, run make fmt:" $$unformatted; exit 1; }

.PHONY: vet
vet:
	@$(call each,go vet ./...)

.PHONY: staticcheck
staticcheck: $(BIN)/tools
	@$(call each,$(BIN)/staticcheck ./...)

.PHONY: golangci
golangci: $(BIN)/tools
	@$(call each,$(BIN)/golangci-lint run ./...)

.PHONY: tidy
tidy:
	@$(call each,go mod tidy -diff)

$(BIN)/tools: tools.mod tools.sum
	@echo "building the linters, which takes minutes the first time"
	@mkdir -p $(BIN)
	@go build -modfile=tools.mod -o $(BIN)/ $(TOOLS)
	@touch $@

.PHONY: test
test: ## All tests; EMBEDCRM_FULL=1 for the whole matrix
	@need=$(missing); [ -z "$$need" ] || echo "tests will be skipped: apt-get install -y" $$need
	# In a zone with daylight saving, since nothing may depend on the machine's.
	TZ=America/New_York go test -shuffle=on -timeout 20m $(QUICK) ./...
	cd internal/dbtest && go test -tags sqlite_fts5 -shuffle=on -timeout 40m $(QUICK) ./...
	cd examples && go test -shuffle=on -timeout 10m $(QUICK) ./...

.PHONY: race
race: ## The tests under the race detector, under which SQLite in Go is ten times slower: a part of them
	go test -race -short -shuffle=on -timeout 40m ./...

.PHONY: soak
soak: ## All tests, COUNT times over, for what fails once in a while, and the long counts of the random ones
	EMBEDCRM_SOAK=1 go test -timeout 2h ./crm/internal/filter
	EMBEDCRM_SOAK=1 go test -timeout 2h -run '^(TestKilled|TestProcessesAreKilled|TestSearchInEveryScript|TestManyJobsOfOneTenantDoNotStarveAnother)$$' ./crm
	@$(call each,go test -tags sqlite_fts5 -race -shuffle=on -count=$(COUNT) -timeout 12h ./...)

.PHONY: bench
bench: ## Our operations beside hand-written SQL; BENCH='-rows 1000000 -run get' passes flags
	cd examples && go run ./bench $(BENCH)

.PHONY: fuzz
fuzz: ## Every fuzz test for FUZZTIME
	@for module in $(MODULES); do cd $(CURDIR)/$$module; \
	for package in $$(go list ./...); do \
	for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	echo "== $$package $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -timeout 2h $$package; \
	done; done; done

.PHONY: api
api: ## Write anew the lists of exported names in api/
	go test -run '^TestAPI$$' . -update

.PHONY: fmt
fmt: $(BIN)/tools ## Format the code
	@gofmt -w .
	@$(call each,$(BIN)/golangci-lint fmt ./...)
