# compose: build, test and check. `make help` lists the targets.

GO       ?= go
LINT     := .bin/golangci-lint
LINT_AT  := v2.15.0
COSIGN   := build/cosign/cosign
FUZZTIME ?= 1m
SLACK    ?= 1
RUNS     ?= 5
# Where the measuring workload lies or is made; it comes from ../shared where there is such a folder.
WORKLOAD ?= build/workload

# What a user has set for other builds must not change these.
export GOFLAGS := -buildvcs=false
export GOAMD64 := v1
export GOWORK := off
unexport GOEXPERIMENT GODEBUG

FIXTURE := build/fixture
STATIC  := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -buildid='

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: build test full race fuzz lint fmt check golden repro packages registries cosign bench example boot tools clean help setup fixture bootloader workload generated

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/compose: static, and the same bytes from the same source anywhere
	@mkdir -p bin
	$(STATIC) -o bin/compose ./cmd/compose

setup: ## install what the tests use, where that is possible (root, apt)
	@test/setup.sh

test: setup build fixture ## the fast tests; sets itself up; at most 15 minutes
	$(GO) vet ./...
	$(GO) test -timeout 15m ./...

race: ## all tests under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

full: test check workload example boot packages repro cosign registries bench fuzz ## everything, also on the workload
	test/workload.sh '$(WORKLOAD)'

workload: build ## make the measuring workload in WORKLOAD (needs ../shared/workload)
	@test/workload.sh -make '$(WORKLOAD)'

fuzz: ## run each fuzz target for FUZZTIME
	@GO='$(GO)' test/fuzz.sh $(FUZZTIME)

lint: $(LINT) ## golangci-lint with .golangci.yml
	$(LINT) run ./...

fmt: $(LINT) ## format the code
	$(LINT) fmt ./...

check: $(LINT) ## what a change must pass: format, lint, vet, race tests, generated files, go.mod
	$(LINT) fmt --diff ./...
	$(LINT) run ./...
	$(GO) vet ./...
	$(MAKE) generated
	$(GO) mod tidy -diff
	$(MAKE) race

generated: ## generated files are what their generators write
	@test/generated.sh

golden: ## rewrite the golden files of the tests
	@set -e; for pkg in $$(grep -rlE '(flag\.Bool\("update"|BoolVar\(&[a-z]+, "update")' --include='*_test.go' . | xargs -r -n 1 dirname | sort -u); do \
	  echo "== $$pkg"; $(GO) test $$pkg -update; done

fixture: bootloader ## build/fixture: small package images, made from sources in the tree; build/bootloader
	@$(GO) run ./test/fixture/mk $(FIXTURE)

# Where its Debian packages cannot be had, that is said, and no test runs that needs
# it; in CI it is a failure.
bootloader: build ## build/bootloader: the image of pkgs/bootloader, as a layout
	@if line=$$(bin/compose pkg build -arch amd64 -cache build/cache -progress none pkgs/bootloader); then \
	  bin/compose cache export -cache build/cache -o build/bootloader.tar "$${line#* }" >/dev/null && \
	  rm -rf build/bootloader && mkdir build/bootloader && tar -xf build/bootloader.tar -C build/bootloader; \
	else \
	  echo 'bootloader: no build/bootloader, and no test that needs it' >&2; test "$$CI" != true; \
	fi

example: build ## build the packages, and compose examples/web.yml into build/
	bin/compose build -arch amd64 -cache build/cache -dir build examples/web.yml

boot: setup build ## boot the examples in emulated machines, and use them; six minutes
	@GO='$(GO)' test/examples/run.sh

repro: build fixture ## equal bytes however it is run: the matrix, on the fixture and, where it is, the workload
	$(GO) run ./test/repro -workload '$(WORKLOAD)'

packages: build ## package images made twice, by others and elsewhere: equal digests (root)
	$(GO) run ./test/packages

registries: setup build fixture ## signing and registries with the real programs, with cosign too where make cosign built it
	@GO='$(GO)' COSIGN='$(CURDIR)/$(COSIGN)' test/registry/run.sh

cosign: $(COSIGN) ## build/cosign/cosign, for make registries (about five minutes, once)

$(COSIGN):
	cd test/cosign && CGO_ENABLED=0 $(GO) build -trimpath -o '$(CURDIR)/$@' github.com/sigstore/cosign/v3/cmd/cosign

bench: build fixture workload example ## CPU, wall and memory on the workload against their limits
	$(GO) run ./test/bench -workload '$(WORKLOAD)' -runs $(RUNS) -slack $(SLACK)

tools: $(LINT) ## build the linter into .bin (about five minutes, once)

$(LINT):
	GOBIN='$(CURDIR)/.bin' $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_AT)

clean: ## remove what make has written, but .bin
	rm -rf bin build
