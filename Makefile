# make demo    train on generated images: supervised only, then U²PL from the same few labels (minutes, no download)
#              (make demo SEED=1: other weights, order and augmentation, on the same images)
# make check   what to run while working: lint, a build with Swift's checks on, and every test that needs no mpirun
# make test    every test, on 1 to 4 ranks, in both builds; ends with "N passed, N failed"
#              (one suite, one test, one number of ranks: Scripts/test --help)
# make build   the optimised program, .build/release/u2pl
# make bundle      one folder with the program and the libraries that it needs, but for MPI: .build/bundle/u2pl-VERSION, and its archive
# make install PREFIX=DIR   the same into DIR/bin, DIR/lib/u2pl and DIR/share; no root needed where DIR is yours
# make same-bits   train a few steps on 1, 2 and 4 ranks, kill a run and resume it, and compare what they compute, bit for bit
#              (make same-bits CAMVID=PATH: also with every part of the method on, on CamVid)
# make chaos   kill a run under `u2pl launch` a hundred times, and see whether it ends as if nothing had happened
# make bench   time per training step, phase by phase
# make results train every run of Benchmarks/results.plan that has no result yet, and remake the tables of docs/results.md (many hours;
#              can be stopped and started again; make results DATA=DIR ONLY=camvid-23 JOBS=2)
# make format  format all Swift sources
# make lint    say what `make format` would change, what it cannot mend, and imports that Package.swift does not declare
#
# `make build` uses the libraries that are there, and says how to get those that are not: from a distribution, modules, Spack or conda.
# It installs Debian packages only as root on Debian or Ubuntu. check, test and chaos install all packages below, same-bits most of
# them; where one is missing, that needs root.

PACKAGES = libopenmpi-dev openmpi-bin openssh-client libopenblas-dev libhdf5-dev hdf5-tools libdnnl-dev \
  libjpeg-dev libpng-dev libtiff-dev libniftiio-dev libnifti2-dev libznz-dev zlib1g-dev pkg-config
TEST_PACKAGES = patchelf python3-h5py python3-prometheus-client python3-venv iproute2

# Containers run as root, which Open MPI asks to be told twice.
export OMPI_ALLOW_RUN_AS_ROOT = 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = 1

U2PL = .build/release/u2pl

.PHONY: help demo check test build patchelf bundle install same-bits digest-packages chaos bench results format lint packages test-packages

help:
	@sed -n '/^#/s/^# \{0,1\}//p;/^$$/q' Makefile

packages:
	@Scripts/libraries

test-packages:
	@Scripts/install-packages $(PACKAGES) $(TEST_PACKAGES)
	@Scripts/install-peers

digest-packages:
	@Scripts/install-packages $(PACKAGES) python3-h5py

build:
	@Scripts/build -c release

# As root on Debian what is missing is installed; elsewhere Scripts/bundle says where to get it.
patchelf:
	@command -v patchelf > /dev/null || [ "$$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null || Scripts/install-packages patchelf

bundle: patchelf build
	@Scripts/bundle
	@cd .build/bundle && tar -czf "$$(ls -td u2pl-*/ | head -n 1 | tr -d /)-linux-x86_64.tar.gz" "$$(ls -td u2pl-*/ | head -n 1)"
	@ls -lh .build/bundle/*.tar.gz

PREFIX =

install: patchelf build
	@[ -n "$(PREFIX)" ] || { echo "make install PREFIX=DIR: say where, such as PREFIX=\$$HOME/.local" >&2; exit 2; }
	@Scripts/bundle .build/bundle/install
	@mkdir -p "$(PREFIX)" && cp -r --remove-destination .build/bundle/install/. "$(PREFIX)/"
	@"$(PREFIX)/bin/u2pl" --version

SEED = 0

demo: build
	@Scripts/demo $(U2PL) $(SEED)

check: test-packages
	@Scripts/test --quick

test: test-packages
	@Scripts/test

same-bits: digest-packages build
	@Scripts/same-bits Tests/Configurations/shapes.yaml
	$(if $(CAMVID),@Scripts/same-bits Tests/Configurations/everything.yaml --set data.root=$(CAMVID))

KILLS = 100

chaos: test-packages
	@Scripts/build -c release
	@Scripts/chaos --kills $(KILLS) --seed $(SEED)

bench: build
	mpirun -n 2 --hostfile hostfiles/localhost $(U2PL) bench step

DATA = ../shared/data
ONLY =
JOBS = 2

results: build
	@Benchmarks/results run --program $(U2PL) --data $(DATA) --jobs $(JOBS) --only '$(ONLY)'
	@Benchmarks/results tables

format:
	swift format --in-place --recursive Package.swift Sources Tests

lint:
	swift format lint --strict --recursive Package.swift Sources Tests
	@Scripts/check-imports
