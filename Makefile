# The commands of the project. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

VENV ?= .venv
BUILD ?= build
JOBS ?= $(shell nproc)
# Each process of the tests holds PyTorch and up to 3 GB of tensors.
PYTEST_JOBS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
ARGS ?=
export PATH := $(abspath $(VENV))/bin:$(PATH)
PY := $(VENV)/bin/python
TORCH_DIR = $(shell $(PY) -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')
CONFIGURE = cmake -S . -G Ninja -DFLAGOS_TESTS=ON

.PHONY: help setup build run test test-long test-flaggems test-lightx2v flaggems-entries tile-programs on-tiles bench \
        conformance conformance-full ctest pytest asan tsan fuzz wheel check-torch lint format clean

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */  make \1\t/' | expand -t 26

setup:  ## .venv with the pinned dependencies; system packages when root
	@VENV=$(VENV) scripts/setup.sh

build: setup  ## compile everything into build/ and install the package into .venv, editable
	$(CONFIGURE) -B $(BUILD) -DFLAGOS_TORCH_DIRS="$(TORCH_DIR)" -DFLAGOS_IN_TREE=ON >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	ninja -C $(BUILD) -j $(JOBS)
	@VENV=$(VENV) BUILD=$(BUILD) scripts/link_package.sh

run: build  ## the tour: two real models on the device, compared with cpu (ARGS="--json")
	$(PY) examples/tour.py $(ARGS)

# The order is that of the cheapest answer first; pytest closes.
test: setup lint build ctest asan tsan pytest  ## everything that CI runs

ctest: build  ## the C++ tests
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) -LE fuzz

TESTS ?= tests
pytest: build  ## the Python tests (TESTS=tests/python ARGS="-k routing")
	$(PY) -m pytest $(TESTS) -n $(PYTEST_JOBS) --dist worksteal $(ARGS)

test-long: test fuzz conformance-full flaggems-entries tile-programs on-tiles  ## test, a million inputs a fuzzer, every operator sample

LIGHTX2V ?=
LIGHTX2V_NEEDS = einops==0.8.2 loguru==0.7.3 pillow==13.0.0
test-lightx2v: build  ## the LightX2V plugin in the framework itself: LIGHTX2V=path/to/checkout
	@test -d "$(LIGHTX2V)/lightx2v_platform" || { echo 'test-lightx2v: skipped, LIGHTX2V names no checkout of LightX2V'; exit 0; }; \
	$(PY) -m pip install -q --no-deps $(LIGHTX2V_NEEDS) && \
	LIGHTX2V="$(abspath $(LIGHTX2V))" $(PY) -m pytest tests/lightx2v/acceptance $(ARGS)

tile-programs: build  ## 5,000 random Triton kernels against the interpreter; 10,000 mutated modules through LLVM
	$(PY) -m tests.triton.random_check 5000
	$(PY) -m tests.triton.mutated_modules 10000

on-tiles: build  ## tests of products and attention on AMX tiles, emulated where the CPU has none
	$(PY) -m tests.tile_emulator tests/triton tests/lightx2v tests/flaggems/test_attention.py $(ARGS)

conformance: build  ## PyTorch's operator, module and optimizer databases against cpu, the tier of CI
	$(PY) -m tests.conformance --tier ci $(ARGS)

conformance-full: build  ## the same, every dtype and sample
	$(PY) -m tests.conformance --tier full $(ARGS)

FLAGGEMS ?=
test-flaggems: build  ## FlagGems' own tests from a checkout of v5.0.2: FLAGGEMS=path (ARGS="--sample 4 test_add.py")
	@test -n "$(FLAGGEMS)" || { echo 'Name a checkout of FlagGems v5.0.2: make test-flaggems FLAGGEMS=../FlagGems'; exit 1; }
	$(PY) -m tests.flaggems --checkout $(FLAGGEMS) $(ARGS)

flaggems-entries: build  ## every operator that FlagGems registers, all dtypes and gradients, against cpu
	FLAGGEMS_ENTRIES=all $(PY) -m pytest tests/flaggems $(ARGS)

bench: build  ## times, as ratios against cpu in the same run
	$(PY) -m benchmarks $(ARGS)

# The torch-free rooms under the sanitizers.
asan: setup  ## C++ tests and short fuzzing under AddressSanitizer and UndefinedBehaviorSanitizer
	$(CONFIGURE) -B build-asan -DFLAGOS_SANITIZE=address,undefined >build-asan.log 2>&1 || { cat build-asan.log; exit 1; }
	ninja -C build-asan -j $(JOBS)
	ctest --test-dir build-asan --output-on-failure -j $(JOBS)

tsan: setup  ## C++ tests under ThreadSanitizer
	$(CONFIGURE) -B build-tsan -DFLAGOS_SANITIZE=thread >build-tsan.log 2>&1 || { cat build-tsan.log; exit 1; }
	ninja -C build-tsan -j $(JOBS)
	ctest --test-dir build-tsan --output-on-failure -j $(JOBS) -LE fuzz

RUNS ?= 1000000
SEED ?= 1
fuzz: setup  ## RUNS inputs for each fuzzer, by libFuzzer where clang is found
	@VENV=$(VENV) RUNS=$(RUNS) SEED=$(SEED) JOBS=$(JOBS) scripts/fuzz.sh

TORCH_DIRS ?=
wheel: setup  ## dist/*.whl with a library for each torch of TORCH_DIRS="dir dir" (default: .venv's)
	dirs="$(or $(TORCH_DIRS),$(TORCH_DIR))"; \
	$(PY) -m pip wheel --no-build-isolation --no-deps -w dist . -Cbuild-dir=build-wheel -Ccmake.define.FLAGOS_TORCH_DIRS="$${dirs// /;}"
	@ls -l dist/*.whl

check-torch: setup  ## compile and link against another torch: TORCH=2.11.0
	@test -n "$(TORCH)" || { echo 'Name the version: make check-torch TORCH=2.11.0'; exit 1; }
	@VENV=$(VENV) JOBS=$(JOBS) scripts/check_torch.sh $(TORCH)

CXX_FILES = $(shell git ls-files '*.cc' '*.h' ':!*/objects/*')
lint: setup  ## ruff and clang-format, changing nothing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/clang-format --dry-run --Werror $(CXX_FILES)

format: setup  ## what lint asks for
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/clang-format -i $(CXX_FILES)

clean:  ## everything that was built; .venv stays
	rm -rf build build-* build*.log dist python/torch_fl/lib
