# Frames out of videos on AWS Lambda. `make` alone explains the commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-deploy demo-map check lint unit template decoder image-tests deploy-tests cloud map browser images test test-long
.PHONY: slowest soak fuzz measure pictures bench image bundle layer wheel smoke reproduce rehearse base-report prove-on-aws release-files
.PHONY: components engine bump cve lock down clean

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

# A whole suite runs on several workers; TESTS=tests/cloud/test_map.py::test_name runs that alone.
RESULTS := .cache/results
suite = $(PYTHON) -m pytest $(or $(TESTS),tests/$(1) --numprocesses $(2) --dist loadgroup --junit-xml $(RESULTS)/$(1)$(3).xml) $(OPTIONS)
# What measures time runs after the rest, by itself.
alone = $(if $(TESTS),true,$(PYTHON) -m pytest tests/$(1) -m "alone and not long" --junit-xml $(RESULTS)/$(1)-alone.xml)
QUICK = $(if $(TESTS),,-m "not long and not alone")

help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z -]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Try it

demo: announce engine venv ## build the image, run it here, and take frames out of a real clip
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@$(PYTHON) -m local.demo

demo-deploy: announce engine venv ## docs/first-deploy.md on this machine: push, deploy, break, roll back, prune
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@$(PYTHON) -m local.demo_deploy

demo-map: announce engine venv ## forty videos through Step Functions and Lambda, emulated here; ends with a report to look at
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@$(PYTHON) -m local.demo_map

##@ Change it (CONTRIBUTING.md): TESTS=tests/…::test_name runs that alone, OPTIONS= are pytest's own

check: lint unit ## before each commit: lint and unit

lint: venv ## ruff, mypy, import rules, hadolint, shellcheck
	@local/lint.sh

unit: venv ## the tests that need neither engine nor compiler
	@$(call suite,unit,3)

template: venv ## deploy/template.yaml, checked and simulated
	@local/venv.sh .cache/template template
	@.cache/template/bin/python -m pytest $(or $(TESTS),tests/template) $(OPTIONS)

# These test the working tree's Python in the images of `make images`, without a build.
decoder image-tests deploy-tests cloud map: export HWANG_TREE := mounted

decoder: engine venv ## hwang on every kind of video, in the test image
	@local/decoder_tests.sh $(or $(TESTS),--numprocesses 2) $(OPTIONS)

image-tests: engine venv ## the function in its container, and the image itself
	@$(call suite,image,2) $(QUICK)

deploy-tests: engine venv ## the deploy tool against a strict AWS, registries and engines
	@$(call suite,deploy,3) $(QUICK)
	@$(call alone,deploy)

cloud: engine venv ## the function under faults of S3 and the network, and within its limits
	@$(call suite,cloud,2) $(QUICK)

map: engine venv ## jobs of many videos on emulated Step Functions
	@$(call suite,map,0)

browser: engine venv ## the report in a browser
	@$(call suite,browser,0)

images: announce engine ## build what the tests run in: seconds if only Python changed, minutes if hwang/core did
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh s3 hwang-lambda:s3
	@local/image.sh function hwang-lambda:latest
	@local/image.sh test hwang-lambda:test
	@BASE=standin local/image.sh browser hwang-lambda:browser

test: lint images venv ## everything but test-long, of the images as built (20 minutes on two cores once they are)
	@$(MAKE) --no-print-directory unit template browser TESTS=
	@local/decoder_tests.sh --numprocesses 2 --junit-xml /results/decoder.xml
	@$(call suite,image,2) $(QUICK)
	@$(call suite,deploy,3) $(QUICK)
	@$(call alone,deploy)
	@$(call suite,cloud,2) $(QUICK)
	@$(call suite,map,0)

test-long: images venv ## what is slow and rarely broken: sanitizers, add-ons, reproducibility, kills, a tenth of soak
	@local/image.sh fuzz hwang-lambda:fuzz
	@local/fuzz.sh --iterations 2000 --seed 1
	@$(call suite,image,0,-long) -m long
	@$(call suite,deploy,3,-long) -m long
	@$(call suite,cloud,0,-long) -m long
	@$(call suite,soak,0)

slowest: venv ## the slowest tests of the last runs, as the table of CONTRIBUTING.md
	@$(PYTHON) -m tests.support.slowest $(RESULTS)

##@ Measure it, torture it

soak: announce engine venv ## the long runs in full: thousands of damaged videos, requests, kills and resets (SOAK_RESULTS=file)
	@local/image.sh function $(IMAGE)
	@local/image.sh test hwang-lambda:test
	@local/image.sh s3 hwang-lambda:s3
	@SOAK=1 $(PYTHON) -m pytest tests/soak --junit-xml $(RESULTS)/soak.xml

fuzz: announce engine ## damage videos at random under sanitizers (ITERATIONS=10000 SEED=random, or TRIAL=n of a SEED)
	@local/image.sh fuzz hwang-lambda:fuzz
	@local/fuzz.sh --iterations $(or $(ITERATIONS),10000) $(if $(SEED),--seed $(SEED)) $(if $(TRIAL),--trial $(TRIAL))

measure: announce engine venv ## measure the numbers of docs/numbers.md, and write it (PARTS="image jobs build": those alone)
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@local/image.sh test hwang-lambda:test
	@local/image.sh s3 hwang-lambda:s3
	@$(PYTHON) -m local.measure $(PARTS)

pictures: announce engine venv ## draw docs/pictures again: a contact sheet, the report of a job, the terminal of a deploy
	@local/image.sh cloud hwang-lambda:cloud
	@local/image.sh function $(IMAGE)
	@BASE=standin local/image.sh browser hwang-lambda:browser
	@$(PYTHON) -m local.pictures

bench: announce engine venv ## measure hwang beside other decoders (QUICK=1, CLIPS=, WORKLOADS=, REPEAT=)
	@local/image.sh bench hwang-lambda:bench
	@bench/run.sh hwang-lambda:bench

##@ Build it

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
	@PYTHONPATH=build_stages $(PYTHON) -m local.base_report $(or $(REPORT),$$(sed -n "s/^ARG LAMBDA_BASE=//p" Dockerfile))

prove-on-aws: engine venv ## in your AWS account: build, push, run, compare, report, and remove all again (OPTIONS=--help)
	@$(PYTHON) -m local.prove_on_aws $(OPTIONS)

release-files: announce engine venv ## what a release publishes, in dist/VERSION: bundle, layer, wheels, their hashes, notes
	@ARCHITECTURE=$(ARCHITECTURE) local/release.sh $(IMAGE)

##@ Look after it

components: announce engine ## renew build_stages/verify/components.txt from what FFmpeg has now; look at the difference
	@local/image.sh tree hwang-lambda:tree
	@local/components.sh

engine: ## a Docker Engine that answers; Debian and Ubuntu get one installed
	@local/engine.sh up

.PHONY: announce venv
announce:
	@local/announce.sh

venv: ## make .venv with the tools of this project, among them ecr-push
	@local/venv.sh

bump: venv ## pin the newest version of each source, and the base's digest, one commit each (PRODUCTS=dav1d, OPTIONS=--dry-run)
	@PYTHONPATH=build_stages $(PYTHON) -m maintain.bump --docker "$$(local/engine.sh client)" $(OPTIONS) $(PRODUCTS)

cve: venv ## look for CVE records of what is compiled that the build does not answer (OPTIONS='--mirror FROM=TO')
	@PYTHONPATH=build_stages $(PYTHON) -m maintain.cve $(OPTIONS)

lock: venv ## renew requirements/*.txt from pyproject.toml (GROUPS=s3 renews that one alone)
	@$(PYTHON) -m pip install --quiet --require-hashes --requirement requirements/lock.txt
	@PATH="$$PWD/.venv/bin:$$PATH" local/lock.sh $(GROUPS)

down: ## stop what the demo started, and the engine if it was started here
	@local/clean.sh down

clean: ## down, and remove images, caches, .venv and results
	@local/clean.sh all
