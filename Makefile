# Everything one types to build, run and test Sealgate. `make help` lists the targets; `make test` is what CI runs.
# Where Rust comes from and what else a machine needs: scripts/bootstrap.

# Set CARGO_TARGET_DIR to build elsewhere; all that is made here follows it.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# What `build`, `lib` and `install` make and take: release, or debug.
PROFILE ?= release
BUILT := $(TARGET)/$(PROFILE)
RELEASE := $(if $(filter-out debug,$(PROFILE)),--profile $(PROFILE))
VENV := $(TARGET)/venv
TOOLS := $(TARGET)/tools

# Just after rustup has installed Rust, the shell that make was started from does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Where `install` puts things; scripts/install has the defaults.
export PREFIX DESTDIR BINDIR LIBDIR INCLUDEDIR DATADIR MANDIR DOCDIR CMAKEDIR UNITDIR STRIP

# What the tests look for in target/debug. The examples bring the crates that the tests use, and cargo chooses the features of
# all crates by what it is asked for: so it takes what `cargo test` compiles, instead of compiling most of it once more.
DEBUG_BUILD := cargo build --locked --lib --bins --examples

# Many tests wait: for a server, for the next second. So more of them run at once than there are cores.
JOBS := $(shell echo $$((2 * $$(nproc))))
export RUST_TEST_THREADS ?= $(JOBS)

heading = @printf '\n=== %s === %s\n' '$(1)' "$$(date +%T)"

.DEFAULT_GOAL := help
# `make -j test` still goes from cheap to expensive; cargo uses all cores by itself.
.NOTPARALLEL:
.PHONY: help run build lib install install-strip uninstall header check hooks test test-rust soak soak-fleet soak-console screenshots soak-python flaky races fuzz fuzz-minimise mutants test-python test-python-versions fmt-check clippy features features-lint doc docs check-compatibility deny fmt bench-http bench-docs bench-python bench-c bench-signing bench-fleet bench-nodes dist dist-check test-packages clean bootstrap-run bootstrap-check bootstrap-docs bootstrap-release bootstrap-test bootstrap-fuzz bootstrap-bench-http bootstrap-bench-python bootstrap-bench-c bootstrap-bench-nodes bootstrap-dist

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

run: bootstrap-run ## build the server and run it: make run ARGS='--listen 127.0.0.1:8000'
	cargo run --locked --release -- serve $(ARGS)

build: bootstrap-run ## the command, as released: target/release/sealgate
	cargo build --locked $(RELEASE) --bin sealgate

# A plain build makes several crate types at once, and then rustc applies no LTO to the libraries: one at a time.
# The link has the name that programs look for at run time, the SONAME that build.rs gives: 0.MINOR, later MAJOR.
# libsealgate.private is what rustc says a program needs beside the static library; `make install` reads it.
lib: bootstrap-run ## the C libraries, as released: libsealgate.so and libsealgate.a in target/release
ifeq ($(PROFILE),debug)
	$(DEBUG_BUILD)
	@echo 'extern crate sealgate as _;' | rustc --edition 2024 --crate-name private --crate-type staticlib \
		--extern sealgate='$(BUILT)/libsealgate.rlib' -L dependency='$(BUILT)/deps' \
		--print native-static-libs='$(BUILT)/libsealgate.private' -o '$(BUILT)/libsealgate.private.a' - 2>/dev/null
	@rm -f '$(BUILT)/libsealgate.private.a'
else
	cargo rustc --locked $(RELEASE) --lib --crate-type cdylib
	cargo rustc --locked $(RELEASE) --lib --crate-type staticlib -- \
		--print native-static-libs='$(BUILT)/libsealgate.private'
endif
	@abi=$$(awk -F'[".]' '/^version *=/ { print ($$2 > 0 ? $$2 : $$2 "." $$3); exit }' Cargo.toml); \
	cd '$(BUILT)' && [ ! -e libsealgate.so ] || ln -sfn libsealgate.so "libsealgate.so.$$abi"

# Without a build where everything is there already, so that `sudo make install` needs no Rust of root's. Build the command
# first: it builds the libraries too, for itself, and without LTO.
install: ## the command, libraries, header, man pages: make install PREFIX=/usr/local DESTDIR= (and LIBDIR, BINDIR, ...)
	@for file in sealgate libsealgate.so libsealgate.a libsealgate.private; do \
		[ -e '$(BUILT)/'"$$file" ] || exec $(MAKE) build lib; \
	done
	@scripts/install install '$(BUILT)'

install-strip: export STRIP := yes
install-strip: install ## the same, without symbols that nobody needs at run time

uninstall: ## remove what `make install` put there, with the same settings
	@scripts/install uninstall '$(BUILT)'

header: ## rewrite include/sealgate.h and include/symbols.txt from the sources
	SEALGATE_WRITE_HEADER=1 cargo test --test c -- header:: symbols::

check: bootstrap-check fmt-check clippy doc ## what needs no servers and browsers: format, lints, unit tests, documentation (3 minutes)
	$(call heading,unit tests and documentation)
	cargo test --locked --lib --bins --test architecture --test docs
	cargo test --locked --doc
	$(call heading,checked)

hooks: ## run scripts/hooks/pre-commit (format and lints) before each commit; git commit --no-verify skips it
	git config core.hooksPath scripts/hooks

test: bootstrap-test fmt-check clippy features-lint test-rust doc test-python test-python-versions deny ## everything that passes or fails, cheap failures first
	$(call heading,everything passed)

test-rust: ## unit, integration and documentation tests
	$(call heading,cargo test)
	cargo test --locked

# Bounds of milliseconds are for a release build on a quiet machine: `cargo test` gives hostile clients' victims seconds.
soak: bootstrap-test ## hostile clients, logins, rotating keys and certificates, forks, and 20,000 requests by schemathesis against a release build; prints figures
	$(call heading,soak)
	cargo test --locked --release --test hostile -- --include-ignored --nocapture --test-threads 1
	cargo test --locked --release --test accounts --test keys --test tls --test c -- --ignored --nocapture --test-threads 1 --skip races::
	$(PYTHON_TEST_TOOLS)
	$(PYTEST_ENVIRONMENT) SEALGATE_BIN='$(TARGET)/release/sealgate' SEALGATE_OPENAPI_REQUESTS=20000 \
		'$(VENV)/bin/python' $(PYTEST) -n 0 -s tests/python/test_openapi.py

soak-fleet: bootstrap-test ## servers with a shared store at full size, release build: 500 kills, failovers under load, 1,000 logins at once; prints figures
	$(call heading,soak of a fleet)
	SEALGATE_FLEET=full cargo test --locked --release --test fleet -- --nocapture --test-threads 1

races: bootstrap-test ## the C library under ThreadSanitizer: eight threads, servers, accounts, and two planted races (4 minutes)
	$(call heading,races)
	cargo test --locked --test c races:: -- --ignored --nocapture

# The targets are the folders of fuzz/corpus. A finding stays in target/fuzz/findings, and is tried again with
# FUZZ_TARGET=NAME target/fuzz/*/release/sealgate-fuzz FILE.
FUZZ_SECONDS ?= 600
fuzz: bootstrap-fuzz ## coverage-guided fuzzing of all that reads what strangers send: make fuzz FUZZ_TARGETS='json heads' FUZZ_SECONDS=60
	$(call heading,fuzz)
	FUZZ_SECONDS='$(FUZZ_SECONDS)' scripts/fuzz run '$(TARGET)/fuzz' $(FUZZ_TARGETS)

fuzz-minimise: bootstrap-fuzz ## keeps what covers most of what fuzzing found in fuzz/corpus, which `make test` tries again
	scripts/fuzz minimise '$(TARGET)/fuzz' $(FUZZ_TARGETS)

SAMPLE ?= 1
mutants: bootstrap-test ## which changes of security-relevant code no test notices: make mutants MUTANTS='limiter tokens' SAMPLE=10
	$(call heading,mutants)
	SAMPLE='$(SAMPLE)' scripts/mutants '$(TOOLS)' '$(TARGET)/mutants' $(MUTANTS)

PYTEST_ENVIRONMENT = SEALGATE_BIN='$(TARGET)/debug/sealgate' SEALGATE_LIB='$(TARGET)/debug/libsealgate.so' \
	SEALGATE_NODE_MODULES='$(TARGET)/node' SEALGATE_OPENAPI_TOOLS='$(TARGET)/openapi' CARGO_TARGET_DIR='$(TARGET)' \
	PYTHONDONTWRITEBYTECODE=1
# The tests' own Python, one for the programs that test_openapi.py runs, which need many packages, and those from npm.
PYTHON_TEST_TOOLS = scripts/venv '$(VENV)' tests/python/requirements.txt && \
	scripts/venv '$(TARGET)/openapi' tests/python/openapi/requirements.txt && \
	scripts/node-modules '$(TARGET)/node' tests/python/package.json
# A file's tests stay together and in their order, and the files in theirs: the one that builds the package takes longest, and
# begins early enough so.
PYTEST = -m pytest -o cache_dir='$(TARGET)/pytest-cache' -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-python: ## the Python tests, against the debug build; the package is also built and installed as released
	$(call heading,pytest)
	$(DEBUG_BUILD)
	$(PYTHON_TEST_TOOLS)
	$(PYTEST_ENVIRONMENT) '$(VENV)/bin/python' $(PYTEST) tests/python

# What depends on the Python that runs it. Where there is one Python only, it has run in test-python.
VERSIONED := $(foreach name,administration data examples exit fastapi flask forks gate header middleware ownership pages routes server server_life web,tests/python/test_package_$(name).py)
test-python-versions: ## the package's tests under the oldest and the newest Python that this machine has
	$(call heading,other Pythons)
	$(DEBUG_BUILD)
	@set -e; tested=$$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))'); \
	for python in $$(scripts/pythons); do \
		[ "$$python" != "$$tested" ] || continue; \
		version=$$("$$python" -c 'import platform; print(platform.python_version())'); \
		echo "Python $$version"; \
		scripts/venv "$(VENV)-$$version" tests/python/requirements.txt "$$python"; \
		$(PYTEST_ENVIRONMENT) "$(VENV)-$$version/bin/python" $(PYTEST) -q $(VERSIONED); \
	done

soak-console: bootstrap-test ## the console in Chromium: every view in both themes and widths, a page that is open all day, every payload on every view
	$(call heading,soak of the console)
	cargo build --locked
	$(PYTHON_TEST_TOOLS)
	$(PYTEST_ENVIRONMENT) SEALGATE_SOAK_CONSOLE=1 '$(VENV)/bin/python' $(PYTEST) -n 0 -s tests/python/test_console.py

# pngquant makes them smaller, where it is installed.
screenshots: bootstrap-test ## take docs/images/console-*.png from the running console
	cargo build --locked
	scripts/venv '$(VENV)' tests/python/requirements.txt
	$(PYTEST_ENVIRONMENT) '$(VENV)/bin/python' tests/python/screenshots.py docs/images

soak-python: bootstrap-test ## a million calls of each of the package's functions, the interpreter's end 100 times with each of three loads, 1,000 forks
	$(call heading,soak of the Python package)
	cargo build --locked --release --bin sealgate
	cargo rustc --locked --release --lib --crate-type cdylib
	scripts/venv '$(VENV)' tests/python/requirements.txt
	$(PYTEST_ENVIRONMENT) SEALGATE_BIN='$(TARGET)/release/sealgate' SEALGATE_LIB='$(TARGET)/release/libsealgate.so' \
		SEALGATE_SOAK_CALLS=1000000 SEALGATE_EXIT_ROUNDS=25 SEALGATE_SOAK_FORKS=1000 \
		'$(VENV)/bin/python' $(PYTEST) -q $(foreach name,memory exit forks,tests/python/test_package_$(name).py)

# FLAKY_BUSY=8 keeps the machine busier.
flaky: bootstrap-test ## the whole suite FLAKY_ROUNDS times (5) beside four busy processes; lists what failed, logs in target/flaky
	$(call heading,flaky tests)
	$(DEBUG_BUILD)
	$(PYTHON_TEST_TOOLS)
	$(PYTEST_ENVIRONMENT) FLAKY_ROUNDS='$(FLAKY_ROUNDS)' FLAKY_BUSY='$(FLAKY_BUSY)' \
		scripts/flaky '$(TARGET)/flaky' '$(VENV)/bin/python' $(PYTEST) -rfE tests/python

fmt-check: ## is the formatting right?
	$(call heading,formatting)
	cargo fmt --check

clippy: ## all lints, as errors
	$(call heading,clippy)
	cargo clippy --locked --all-targets -- -D warnings

# Every build that the features can make: postgres brings store, and cli brings all others.
COMBINATIONS := none server store server,store postgres server,postgres cli
# First as a program gets the library, then with the tests, whose own dependencies would hide a feature of a crate that is
# missing.
features: features-lint ## every combination of cargo features: all lints, and the unit tests of a build without any
	cargo clippy --locked --quiet --all-targets --no-default-features -- -D warnings
	cargo test --locked --quiet --lib --no-default-features

# The part that `make test` has. The unit tests of the smallest build take two minutes more, most of them for compiling.
features-lint:
	$(call heading,cargo features)
	@set -e; for features in $(COMBINATIONS); do \
		echo "features: $$features"; \
		cargo clippy --locked --quiet --lib --bins --no-default-features --features "$${features#none}" -- -D warnings; \
	done

doc: ## the Rust documentation, its warnings as errors
	$(call heading,documentation)
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

docs: bootstrap-docs ## guides and references as web pages, links checked: target/docs/index.html (installs mdBook into target/tools first)
	$(call heading,documentation site)
	scripts/docs/build '$(TARGET)' '$(TARGET)/docs'

check-compatibility: bootstrap-release ## the C, Rust and Python interfaces beside those of the last release: make check-compatibility TAG=vX.Y.Z
	$(call heading,compatibility)
	scripts/release/check-compatibility '$(TARGET)' $(TAG)

deny: ## licences, origins and known vulnerabilities of the dependencies
	$(call heading,dependencies)
	scripts/deny '$(TOOLS)'

# Release builds of everything, three times over: half an hour on two idle cores. MINISIGN_KEY=FILE signs the checksums.
DIST := $(TOOLS) $(TARGET)/dist-work $(TARGET)/dist
dist: bootstrap-dist ## what a release has, in target/dist: tarball, packages, wheel, crate, image, SBOM, checksums
	$(call heading,release)
	scripts/dist/all $(foreach folder,$(DIST),'$(folder)')

dist-check: bootstrap-dist ## two builds of the last commit in two folders, compared byte for byte (an hour)
	$(call heading,reproducible build)
	scripts/dist/check $(foreach folder,$(DIST),'$(folder)')

# What `make dist` made, in clean roots of Debian without a network. PREVIOUS=FILE is the package to upgrade from.
test-packages: bootstrap-dist ## packages installed, upgraded under load, removed; every artefact used in a clean root (20 minutes)
	$(call heading,packages)
	scripts/venv '$(VENV)' tests/python/requirements.txt
	PYTHONDONTWRITEBYTECODE=1 SEALGATE_DIST='$(TARGET)/dist' SEALGATE_DIST_WORK='$(TARGET)/dist-work' \
		SEALGATE_DIST_TOOLS='$(TOOLS)' '$(VENV)/bin/python' -m pytest -o cache_dir='$(TARGET)/pytest-cache' -q tests/packages

fmt: ## format the Rust sources
	cargo fmt

# make bench-http ROUNDS=1 SECONDS=1 CONNECTIONS='16 64' ROUTES=secure-data PEERS='sealgate axum' ACCESS_LOG=1
BENCH_SETTINGS := ROUNDS SECONDS CONNECTIONS ROUTES PEERS LOADS ACCESS_LOG
bench-http: bootstrap-bench-http build ## the server beside axum, actix-web, libmicrohttpd, nginx and Flask (45 minutes)
	benches/http/setup '$(TARGET)'
	PYTHONDONTWRITEBYTECODE=1 python3 benches/http/run.py TARGET='$(TARGET)' \
		$(foreach name,$(BENCH_SETTINGS),$(if $($(name)),$(name)='$($(name))'))

bench-docs: bench-http ## bench-http, whose figures then replace those in README.md and docs/performance.md
	PYTHONDONTWRITEBYTECODE=1 python3 benches/http/tables.py '$(TARGET)'

bench-python: bootstrap-bench-python ## the Python package beside PyJWT and cryptography, with vendored OpenSSL: make bench-python ROUNDS=41
	scripts/venv '$(TARGET)/bench-python' benches/python/requirements.txt
	CARGO_TARGET_DIR='$(TARGET)' SEALGATE_BUILD_FEATURES=vendored-openssl \
		'$(TARGET)/bench-python/bin/python' -m pip install -q --disable-pip-version-check --force-reinstall ./bindings/python
	'$(TARGET)/bench-python/bin/python' -B benches/python/run.py $(ROUNDS)

# The library as it is shipped. ROUNDS=11 is quicker and less exact.
bench-c: bootstrap-bench-c lib ## the C calls beside libjwt and OpenSSL's EVP, and what a call adds to Rust (2 minutes)
	$(call heading,C calls)
	mkdir -p '$(TARGET)/bench-c'
	$(CC) -O2 -std=gnu11 -Wall -Wextra -Iinclude benches/c/bench.c -o '$(TARGET)/bench-c/bench' \
		$$(pkg-config --cflags --libs libjwt libcrypto) -L'$(BUILT)' -lsealgate -Wl,-rpath,'$(BUILT)'
	'$(TARGET)/bench-c/bench' $(ROUNDS)
	cargo bench --locked --bench calls

# Not --locked: its lock file also has the main package's dependencies, which change without it.
bench-signing: bootstrap-run ## issuing and verifying tokens beside jwt-simple and jsonwebtoken (2 minutes): make bench-signing ROUNDS=41
	$(call heading,tokens)
	CARGO_TARGET_DIR='$(TARGET)/bench-signing' cargo build --release --manifest-path benches/signing/Cargo.toml
	'$(TARGET)/bench-signing/release/sealgate-bench-signing' $(ROUNDS)

# FLEET=full also replaces the tables in docs/fleet.md; MEASURE=1 first measures what a call costs PostgreSQL on this machine.
bench-fleet: ## how many nodes and users one PostgreSQL carries, by simulation: make bench-fleet FLEET=full MEASURE=1 RATE=0.1
	PYTHONDONTWRITEBYTECODE=1 python3 benches/fleet/run.py $(or $(FLEET),quick) \
		$(foreach name,MEASURE RATE EXPONENT,$(if $($(name)),$(name)='$($(name))'))

bench-nodes: bootstrap-bench-nodes build ## servers that share a PostgreSQL beside one alone, revocations under load, starts with a million of them (5 minutes)
	PYTHONDONTWRITEBYTECODE=1 python3 benches/fleet/nodes.py '$(TARGET)/release/sealgate' \
		$(foreach name,NODES ROUNDS SECONDS LOGOUTS REVOKED PARTS,$(if $($(name)),$(name)='$($(name))'))

clean: ## remove everything built
	cargo clean

bootstrap-run:
	@scripts/bootstrap run

bootstrap-check:
	@scripts/bootstrap check

bootstrap-docs:
	@scripts/bootstrap docs

bootstrap-release:
	@scripts/bootstrap release

bootstrap-test:
	@scripts/bootstrap test

bootstrap-fuzz:
	@scripts/bootstrap fuzz

bootstrap-bench-http:
	@scripts/bootstrap bench-http

bootstrap-bench-python:
	@scripts/bootstrap bench-python

bootstrap-bench-c:
	@scripts/bootstrap bench-c

bootstrap-bench-nodes:
	@scripts/bootstrap bench-nodes

bootstrap-dist:
	@scripts/bootstrap dist
