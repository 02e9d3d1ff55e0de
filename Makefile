# `make demo` and `make test` do all the set-up on a Debian 12 that has a Swift toolchain; `make help` tells the rest.

BUILD := .build/release
# With the runtime linked in, a token misses the instruction cache a third as often, the program starts in two thirds of
# the time, and it runs where no toolchain is; most of its 61 MB are tables of Foundation's that nobody reads. Optimised
# across modules, a token costs 5 % fewer instructions.
SWIFT_BUILD := swift build -c release --static-swift-stdlib -Xswiftc -cross-module-optimization \
  -Xswiftc -use-ld=lld -Xlinker -s
PYTHON := .venv/bin/python
# For `make bench`.
QUICK :=
ONLY :=
PHASES :=
COMPARE :=
# More arguments for pytest, as in  make server-test ARGS='-k page -x'
ARGS :=

.PHONY: help demo test unit-test server-test build deb lint format sanitize bench clean packages need-swift
.NOTPARALLEL:

help:
	@echo 'make demo         everything on http://127.0.0.1:8080 with a small real model, or with HolySheep where'
	@echo '                  HOLYSHEEP_API_KEY is set; PROVIDER=mock for a mock, PORT=… for another port'
	@echo 'make test         every test: unit-test and server-test'
	@echo 'make unit-test    the library'
	@echo 'make server-test  nginx, workers, a mock provider and a browser; ARGS=… for pytest'
	@echo 'make build        a release build of all programs'
	@echo 'make deb          a Debian package, .build/sheepfcgi_VERSION_ARCH.deb'
	@echo 'make bench        nginx alone, sheepfcgi and its peers through all phases, some 13 minutes; QUICK=1 for two,'
	@echo '                  ONLY=… and PHASES=… for some (with commas), COMPARE=FILE against an earlier results.json'
	@echo 'make lint         swift format, and shellcheck where it is installed'
	@echo 'make format       lay the sources out'
	@echo 'make sanitize     the tests with the address and the thread sanitizer (long)'
	@echo 'make clean        remove all that was built or downloaded here'

demo: need-swift
	@scripts/demo

test: unit-test server-test

unit-test: packages
	swift test --disable-xctest

server-test: packages build .venv/installed.txt
	$(PYTHON) -m pytest Tests/ServerTests $(ARGS)

bench: need-swift
	@scripts/install-packages run
	@scripts/install-packages bench || echo 'going on without what is missing'
	@$(MAKE) --no-print-directory build
	@$(BUILD)/stream-bench run $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(PHASES),--phases $(PHASES)) \
	  $(if $(COMPARE),--compare $(COMPARE))

# PRODUCT=… builds that one alone.
build: need-swift
	$(SWIFT_BUILD) $(if $(PRODUCT),--product $(PRODUCT))

deb: need-swift
	@scripts/install-packages package
	@$(MAKE) --no-print-directory build PRODUCT=sheepfcgi
	@scripts/deb

packages: need-swift
	@scripts/install-packages test

.venv/installed.txt: Tests/ServerTests/requirements.txt
	python3 -m venv --clear .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@

# Debug builds in directories of their own; the mock stays the ordinary one. SANITIZER tells the tests that measure.
sanitize: packages build .venv/installed.txt
	swift test --disable-xctest --sanitize=address --scratch-path .build-asan
	swift test --disable-xctest --sanitize=thread --scratch-path .build-tsan
	SANITIZER=address LSAN_OPTIONS="suppressions=$$PWD/Tests/ServerTests/leaks.supp:print_suppressions=0" \
	  SHEEPFCGI="$$PWD/.build-asan/debug/sheepfcgi" MOCK_PROVIDER="$$PWD/$(BUILD)/mock-provider" \
	  $(PYTHON) -m pytest Tests/ServerTests $(ARGS)
	SANITIZER=thread TSAN_OPTIONS=halt_on_error=1 \
	  SHEEPFCGI="$$PWD/.build-tsan/debug/sheepfcgi" MOCK_PROVIDER="$$PWD/$(BUILD)/mock-provider" \
	  $(PYTHON) -m pytest Tests/ServerTests $(ARGS)

lint: need-swift
	swift format lint --strict -r Sources Tests Package.swift
	@if command -v shellcheck >/dev/null; then shellcheck scripts/demo scripts/install-packages scripts/deb .ci/run \
	  deploy/debian/sheepfcgi.postinst deploy/debian/sheepfcgi.postrm Tests/ServerTests/harness/machine-boot \
	  Benchmarks/peers/*/build Benchmarks/peers/*/start; fi

format: need-swift
	swift format -i -r Sources Tests Package.swift

clean:
	rm -rf .build .build-* .venv

need-swift:
	@command -v swift >/dev/null || { \
	  echo 'There is no swift on the PATH. Install Swift 6.2 or later (https://www.swift.org/install/linux/),' >&2; \
	  echo 'or add the toolchain that you have:  PATH=$$PATH:/where/it/lies/usr/bin make …' >&2; \
	  exit 1; }
