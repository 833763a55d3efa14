# RainbowFS: build, test, try and install. `make` alone says what there is.

PREFIX  ?= /usr/local
DESTDIR ?=
SWIFT   ?= swift

# Every Debian package the project uses, by who needs it. This is the only list.
# Those of PACKAGES_SWIFT are what Swift itself asks for on Debian 12.
PACKAGES_SWIFT    := binutils gcc git libcurl4-openssl-dev libedit-dev libicu-dev libncurses-dev
PACKAGES_SWIFT    += libpython3-dev libsqlite3-dev libstdc++-12-dev libxml2-dev pkg-config tzdata uuid-dev
PACKAGES_BUILD    := $(PACKAGES_SWIFT) libfuse3-dev
PACKAGES_RUN      := fuse3
PACKAGES_TEST     := attr bsdextrautils busybox ed findutils fish gcc jq libc6-dev liburing-dev
PACKAGES_TEST     += procps pv python3 rsync ruby socat spin tar tmux util-linux vim xxd zsh
PACKAGES_LINT     := mandoc shellcheck
PACKAGES_BENCH    := liblmdb-dev libsqlite3-dev sqlite3
PACKAGES_OPTIONAL := openjdk-17-jdk-headless
PACKAGES_FRESH    := ca-certificates debootstrap jq

BINARY  := .build/release/rainbowfs
LEDGER  := .build/release/ledger
SCRIPTS := .ci/run $(wildcard Tests/*.sh Tests/MountTests/Workloads/*.bash Examples/*.sh Examples/lib/*.bash Benchmarks/*.sh Docs/Model/*.sh)

BUILD_RELEASE := $(SWIFT) build -c release --static-swift-stdlib

.DEFAULT_GOAL := help
.PHONY: help build test test-evict smoke lint format examples demo model bench bench-small fresh fresh-all install \
	uninstall clean packages-build packages-run packages-test packages-lint packages-bench packages-fresh

help:
	@echo 'make demo         mount a space and show two mounts sharing it'
	@echo 'make build        the release binary, $(BINARY)'
	@echo 'make test         all tests, or those that FILTER=regex names'
	@echo 'make smoke        the quick ones of them, in under a minute'
	@echo 'make lint         formatting, shell scripts, manual pages'
	@echo 'make format       format the Swift sources in place'
	@echo 'make examples     run Examples/, which check their own output'
	@echo 'make model        check the model of the commit protocol with spin'
	@echo 'make bench        the benchmark table, with peers (minutes)'
	@echo 'make bench-small  the same table from short runs, to see that it works'
	@echo 'make fresh        the demo and some tests in a fresh Debian 12, as root and as a user'
	@echo 'make fresh-all    the demo and all tests there'
	@echo 'make install      to PREFIX (default $(PREFIX)), below DESTDIR if set'
	@echo 'make uninstall    what install put there'
	@echo 'make clean        remove what was built'

# $(call need,PACKAGES): installs those that are missing; on other systems than Debian it names them.
define need
@missing=''; for package in $(1); do \
	dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed \
		|| missing="$$missing $$package"; \
done; \
[ -z "$$missing" ] || if command -v apt-get >/dev/null; then \
	echo "Installing Debian packages:$$missing"; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
else \
	echo "No apt-get here. Install what these Debian packages hold:$$missing"; \
fi
endef

packages-build:
	$(call need,$(PACKAGES_BUILD))
	@command -v $(SWIFT) >/dev/null || \
		{ echo 'Swift 6.2 or newer is needed and not in PATH: see https://www.swift.org/install'; exit 1; }
packages-run:
	$(call need,$(PACKAGES_RUN))
packages-test: packages-build packages-run
	$(call need,$(PACKAGES_TEST))
packages-lint:
	$(call need,$(PACKAGES_LINT))
packages-bench: packages-build packages-run
	$(call need,$(PACKAGES_TEST) $(PACKAGES_BENCH))
	@mkdir -p .build; for package in $(PACKAGES_OPTIONAL); do \
		! apt-cache show $$package >/dev/null 2>&1 || echo $$package; \
	done >.build/optional-packages
	$(call need,$$(cat .build/optional-packages))
packages-fresh:
	$(call need,$(PACKAGES_FRESH))

build: $(BINARY)

# One binary that needs only libfuse and system libraries.
$(BINARY): Package.swift $(shell find Sources -type f)
	@$(MAKE) --no-print-directory packages-build
	$(BUILD_RELEASE) --product rainbowfs
	@touch $@

$(LEDGER): $(BINARY) $(wildcard Examples/Ledger/*.swift)
	$(BUILD_RELEASE) --product ledger
	@touch $@

test: packages-test
	$(SWIFT) build --build-tests
	$(BUILD_RELEASE) --product space-worker
	$(SWIFT) test --skip-build --disable-xctest $(if $(FILTER),--filter '$(FILTER)')

# The core's tests once more while pages lose their frames at random, all the time. Left out are those that count
# memory, open files or calls into the kernel, that damage memory, that must be the first to recover, and that tell who waits.
test-evict: packages-test
	$(SWIFT) build --build-tests
	$(BUILD_RELEASE) --product space-worker
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	RAINBOWFS_EVICT=$$folder RAINBOWFS_KILLS=100 $(SWIFT) test --skip-build --disable-xctest \
		--filter '^CoreTests\.' --skip 'AttachTests/descriptors' \
		--skip '(MemoryLimit|Allocation|Eviction|Fault|Damage|Recovery|RecoveryTime|Waiting)Tests'

# Suites that take less than some seconds each: all layers, the house rules, and sessions in a mount.
SMOKE_CORE  := Address|SystemText|SharedWord|Layout|Folder|Conflict|ConflictLog|Snapshot|CommitFeed
SMOKE_CORE  := $(SMOKE_CORE)|OpenTransaction|ClassText|BuiltInClass|Classes|Names|Table
SMOKE_CORE  := $(SMOKE_CORE)|Allocators|Objects
SMOKE_TREE  := Tidy|FieldText|ProgramName|CommandLine|KeptLines|Permission|TransactionLife|Top|TreeHotPath
SMOKE_TREE  := $(SMOKE_TREE)|Semantics(NewFile|Structure|String|Other|Byte|Reference|Transaction|Metrics|Field)
SMOKE_MOUNT := Scenario

smoke: packages-test
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build --disable-xctest --filter '^CoreTests\.(.*/)?($(SMOKE_CORE))Tests/' \
		--filter '^RainbowFSTests\.($(SMOKE_TREE))Tests/' --filter '^MountTests\.($(SMOKE_MOUNT))Tests/'

lint: packages-lint
	$(SWIFT) format lint --strict --recursive Sources Tests Examples Package.swift
	shellcheck --severity=warning $(SCRIPTS)
	mandoc -Tlint -Wwarning $(wildcard man/*.[17])

format:
	$(SWIFT) format --in-place --recursive Sources Tests Examples Package.swift

examples: $(BINARY) $(LEDGER) packages-test
	@for example in Examples/*.sh; do \
		echo "== $$example"; RAINBOWFS=$(CURDIR)/$(BINARY) bash $$example || exit 1; \
	done

demo: $(BINARY) packages-run
	@RAINBOWFS=$(CURDIR)/$(BINARY) bash Examples/demo.sh

model: packages-test
	bash Docs/Model/check.sh
	bash Docs/Model/check.sh --mutants

bench: $(BINARY) packages-bench
	bash Benchmarks/run.sh

bench-small: $(BINARY) packages-bench
	bash Benchmarks/run.sh --small

# With OFFLINE=warn a mirror that cannot be reached is no failure. The script installs its packages.
fresh:
	bash Tests/fresh.sh
fresh-all:
	bash Tests/fresh.sh --all

MAN  := $(DESTDIR)$(PREFIX)/share/man
BASH := $(DESTDIR)$(PREFIX)/share/bash-completion/completions/rainbowfs
ZSH  := $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_rainbowfs
FISH := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/rainbowfs.fish

install: $(BINARY) packages-run
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/rainbowfs
	install -D -m 644 man/rainbowfs.1 $(MAN)/man1/rainbowfs.1
	install -D -m 644 man/rainbowfs.7 $(MAN)/man7/rainbowfs.7
	mkdir -p $(dir $(BASH)) $(dir $(ZSH)) $(dir $(FISH))
	$(BINARY) --generate-completion-script bash >$(BASH)
	$(BINARY) --generate-completion-script zsh >$(ZSH)
	$(BINARY) --generate-completion-script fish >$(FISH)

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/rainbowfs $(MAN)/man1/rainbowfs.1 $(MAN)/man7/rainbowfs.7 \
		$(BASH) $(ZSH) $(FISH)

clean:
	rm -rf .build
