# Frames out of videos on AWS Lambda. `make` alone explains the commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-map test soak fuzz measure bench unit image bundle layer wheel smoke reproduce rehearse base-report release-files components engine lint bump cve lock down clean

IMAGE := hwang-lambda:latest
PYTHON := .venv/bin/python
BASE ?= auto
export BASE
# x86_64 or arm64: what `image` and its kin are built for. All else is of this machine's own architecture.
ARCHITECTURE ?=
unexport ARCHITECTURE
image smoke release-files: IMAGE = hwang-lambda:$(or $(ARCHITECTURE),latest)
smoke: ARCHITECTURE := $(or $(ARCHITECTURE),arm64)
DIST := dist$(ARCHITECTURE:%=/%)

help: ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: announce engine venv ## build the image, run it here, and take frames out of a real clip
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@$(PYTHON) -m local.demo

demo-map: announce engine venv ## forty videos through Step Functions and Lambda, emulated here; ends with a report to look at
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@$(PYTHON) -m local.demo_map

test: announce engine venv lint unit ## everything: static checks, unit tests, the template, the decoder, the real image, deploys, faults of S3 and the network
	@local/image.sh cloud hwang-lambda:cloud
	@local/template_tests.sh
	@local/image.sh function $(IMAGE)
	@local/image.sh test hwang-lambda:test
	@local/decoder_tests.sh
	@local/image.sh gcc11 hwang-lambda:gcc11
	@local/image.sh fuzz hwang-lambda:fuzz
	@local/fuzz.sh --iterations 400 --seed 1
	@$(PYTHON) -m pytest tests/image
	@$(PYTHON) -m pytest tests/deploy
	@local/image.sh s3 hwang-lambda:s3
	@$(PYTHON) -m pytest tests/cloud
	@$(PYTHON) -m pytest tests/map
	@BASE=standin local/image.sh browser hwang-lambda:browser
	@$(PYTHON) -m pytest tests/browser
	@$(PYTHON) -m pytest tests/soak

soak: announce engine venv ## the long runs in full: thousands of damaged videos, requests, kills and resets (SOAK_RESULTS=file)
	@local/image.sh function $(IMAGE)
	@local/image.sh test hwang-lambda:test
	@local/image.sh s3 hwang-lambda:s3
	@SOAK=1 $(PYTHON) -m pytest tests/soak

fuzz: announce engine ## damage videos at random under sanitizers (ITERATIONS=10000 SEED=random, or TRIAL=n of a SEED)
	@local/image.sh fuzz hwang-lambda:fuzz
	@local/fuzz.sh --iterations $(or $(ITERATIONS),10000) $(if $(SEED),--seed $(SEED)) $(if $(TRIAL),--trial $(TRIAL))

measure: announce engine venv ## measure the numbers that the README states
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@local/image.sh test hwang-lambda:test
	@local/image.sh s3 hwang-lambda:s3
	@$(PYTHON) -m local.measure

bench: announce engine venv ## measure hwang beside other decoders (QUICK=1, CLIPS=, WORKLOADS=, REPEAT=)
	@local/image.sh bench hwang-lambda:bench
	@bench/run.sh hwang-lambda:bench

unit: venv ## the tests that need neither engine nor compiler
	@$(PYTHON) -m pytest tests/unit

image: announce engine ## build hwang-lambda:latest (BASE=real insists on Lambda's own base; ARCHITECTURE=arm64 makes hwang-lambda:arm64)
	@ARCHITECTURE=$(ARCHITECTURE) local/image.sh function $(IMAGE)

bundle layer wheel: announce engine ## the same build as a zip for a Zip function, a Lambda layer, a wheel, in dist/
	@ARCHITECTURE=$(ARCHITECTURE) local/image.sh $@ --to $(DIST)
	@ls -l $(DIST)

smoke: announce engine venv ## build the image for ARCHITECTURE (arm64) as well, and compare what the two see in a real clip
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function hwang-lambda:latest
	@ARCHITECTURE=$(ARCHITECTURE) local/image.sh function $(IMAGE)
	@$(PYTHON) -m local.smoke $(IMAGE) hwang-lambda:latest

reproduce: announce engine ## build everything twice from nothing, and compare (20 minutes on two cores)
	@local/reproduce.sh

rehearse: announce engine venv ## build everything on a base poorer than Lambda's own, and try it (40 minutes on two cores, then 5)
	@local/image.sh cloud hwang-lambda:cloud
	@BASE=standin local/image.sh function hwang-lambda:latest
	@local/rehearse.sh

base-report: engine venv ## compare Lambda's own base image with what is known of it (REPORT=another image)
	@$(PYTHON) build_stages/base/contract.py $(or $(REPORT),$$(sed -n "s/^ARG LAMBDA_BASE=//p" Dockerfile)) --docker "$$(local/engine.sh client)"

release-files: announce engine venv ## what a release publishes, in dist/VERSION: bundle, layer, wheels, their hashes, notes
	@ARCHITECTURE=$(ARCHITECTURE) local/release.sh $(IMAGE)

lint: venv ## ruff, mypy, import rules, hadolint, shellcheck
	@local/lint.sh

components: announce engine ## renew build_stages/verify/components.txt from what FFmpeg has now; look at the difference
	@local/image.sh tree hwang-lambda:tree
	@local/components.sh

engine: ## a Docker Engine that answers; Debian and Ubuntu get one installed
	@local/engine.sh up

.PHONY: announce venv
announce:
	@local/announce.sh

venv:
	@local/venv.sh

bump: venv ## pin the newest version of each source, and the base's digest, one commit each (PRODUCTS=dav1d, OPTIONS=--dry-run)
	@PYTHONPATH=build_stages $(PYTHON) -m maintain.bump $(OPTIONS) $(PRODUCTS)

cve: venv ## look for CVE records of what is compiled that the build does not answer (OPTIONS='--mirror FROM=TO')
	@PYTHONPATH=build_stages $(PYTHON) -m maintain.cve $(OPTIONS)

lock: venv ## renew requirements/*.txt from pyproject.toml (GROUPS=s3 renews that one alone)
	@$(PYTHON) -m pip install --quiet --require-hashes --requirement requirements/lock.txt
	@PATH="$$PWD/.venv/bin:$$PATH" local/lock.sh $(GROUPS)

down: ## stop what the demo started, and the engine if it was started here
	@local/clean.sh down

clean: ## down, and remove images, caches, .venv and results
	@local/clean.sh all
