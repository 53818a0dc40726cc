# What a person types. `make` alone lists it. Run and test share one debug build in .build.

PREFIX ?= $(HOME)/.local
DESTDIR ?=
SEEDS ?= 1000
FROM ?= 1
SECONDS ?= 60

PROGRAMS = avatard avatarctl avatar-server
# The programs that are installed carry Swift's libraries in them; such a build has a folder of its own, so that neither it nor the builds for
# benchmarks are made anew for the other's sake.
STATIC = .build/static
FUZZERS = BusFuzz ImageFuzz
BENCHMARKS = folder-bench BusBench ServerBench
DEBUG = .build/debug
BIN = $(DESTDIR)$(PREFIX)/bin
SHARE = $(DESTDIR)$(PREFIX)/share
# A user manager reads units from ~/.local/share as well as from the lib folders of /usr and /usr/local (systemd.unit(5)).
UNITS = $(if $(filter $(HOME)/.local,$(PREFIX)),$(SHARE)/systemd/user,$(DESTDIR)$(PREFIX)/lib/systemd/user)

.PHONY: help setup build run test simulate fuzz bench static deb install uninstall test-systemd container test-deb test-container test-qt format lint

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

setup:
	@scripts/setup.sh build

build: setup
	@echo "Building. From nothing this is the long part (minutes); from the second time on it takes seconds."
	swift build

## make run                    everything set up, built, and shown at work on real pictures in temporary folders
run: build
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$$(scripts/python-env) python3 scripts/demo --programs $(DEBUG)

## make test                   everything set up, and every test run
test:
	@scripts/setup.sh test
	@scripts/python-env >/dev/null
	@echo "Building with the tests. From nothing this is the long part (minutes)."
	swift build --build-tests
	@echo "The simulation's fixed lives on every core; then everything that starts programs and services, one after the other."
	scripts/swift-test --skip-build --filter SimulationTests
	scripts/swift-test --skip-build --no-parallel --skip SimulationTests

## make simulate SEEDS=1000    the deterministic simulation, from seed FROM=1 on
simulate: setup
	@echo "Building for release. From nothing this is the long part (minutes)."
	swift build --configuration release --product simulate
	$$(swift build --configuration release --show-bin-path)/simulate --seeds $(SEEDS) --from $(FROM)

## make fuzz SECONDS=60        the decoders under a fuzzer
fuzz: setup
	@set -e; for fuzzer in $(FUZZERS); do swift build --product $$fuzzer; $(DEBUG)/$$fuzzer --seconds $(SECONDS); done

## make bench [QUICK=1]        every benchmark, beside its peers, in a release build; QUICK: the ones with a network, once
bench:
	@scripts/setup.sh bench
	@echo "Building for release. From nothing this is the long part (minutes)."
	@# The benchmarks start the programs that lie beside them.
	@set -e; for program in avatard avatar-server delay-link; do swift build --configuration release --product $$program; done
	@set -e; for benchmark in $(if $(QUICK),,$(BENCHMARKS)); do \
	    swift build --configuration release --product $$benchmark; \
	    $$(swift build --configuration release --show-bin-path)/$$benchmark; done
	python3 -B Tests/Benchmarks/Distance/distance.py --programs $$(swift build --configuration release --show-bin-path) \
	    $(if $(QUICK),--rounds 1,--out docs/benchmarks)
	python3 -B Tests/Benchmarks/HTTPS/https.py --programs $$(swift build --configuration release --show-bin-path) \
	    $(if $(QUICK),--quick,--out docs/benchmarks)
	python3 -B Tests/Benchmarks/HTTPS/scaling.py --programs $$(swift build --configuration release --show-bin-path) \
	    $(if $(QUICK),--quick)

static: setup
	@echo "Building for release, with Swift's libraries in the programs. From nothing this is the long part (minutes)."
	@set -e; for program in $(PROGRAMS); do \
	    swift build --configuration release --static-swift-stdlib --scratch-path $(STATIC) --product $$program; done

## make install PREFIX=...     release build; programs, units, man pages, completions, sample configuration (~/.local)
install: static
	scripts/install.sh $(STATIC)/release "$(DESTDIR)" "$(PREFIX)" "$(UNITS)"

## make uninstall PREFIX=...   takes away what install put there; your pictures and settings stay
uninstall:
	scripts/install.sh --remove "$(DESTDIR)" "$(PREFIX)" "$(UNITS)"

## make deb                    release build; packages for Debian 12 in .build/deb: avatard, avatar-server
deb: static
	@scripts/setup.sh deb
	packaging/build-deb $(STATIC)/release .build/deb

## make container              what a container's image is made of, in .build/container: Containerfile, compose.yaml, package
container: deb
	rm -rf .build/container
	mkdir .build/container
	cp packaging/container/* .build/deb/avatar-server_*.deb .build/container

## make test-systemd           what is installed, tried in a Debian 12 with a systemd of its own; needs root
test-systemd: static
	@scripts/setup.sh systemd
	cd Tests/System && unshare --mount python3 -B -m unittest discover --verbose --pattern 'systemd_*.py'

## make test-deb               the packages installed, upgraded and purged in such a Debian; needs root
test-deb: deb
	@scripts/setup.sh systemd
	cd Tests/System && unshare --mount python3 -B -m unittest --verbose packages first_run

## make test-container         what the container's image is made of, in a Debian folder beside real Redis and MariaDB; needs root
test-container: container
	@scripts/setup.sh container
	cd Tests/System && unshare --mount /usr/bin/python3 -B -m unittest --verbose container

## make test-qt                the Qt library of Examples/qt, with Qt 5 and 6, beside a real agent and server
test-qt: build
	@scripts/setup.sh qt
	scripts/test-qt $(DEBUG)

## make format                 formats the sources
format:
	swift format --in-place --parallel --recursive Sources Tests

## make lint                   what CI checks before the tests
lint:
	swift format lint --strict --parallel --recursive Sources Tests
