# Five words run everything: setup, lint, test, demo, bench. CI calls only these. The other three
# write down what it is made of, and make what is passed on.
.PHONY: setup lint test demo bench sbom lock images
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11
STAMP := $(VENV)/.installed

setup: $(STAMP)  ## make .venv with every extra, pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt -e '.[dev]'
	touch $(STAMP)

lint: setup  ## ruff and strict mypy, tests too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup lint  ## every test, the slow ones too
	$(BIN)/python -m tests.parts --durations=15

demo: setup  ## the main job on a simulated world
	$(BIN)/colisten demo --out demo-out

bench: setup  ## every benchmark; results land in benchmarks/results
	$(BIN)/python -m benchmarks

sbom: setup  ## the bill of materials, and docs/licences.md
	$(BIN)/python -m supply sbom

lock: setup  ## requirements.lock and images/*.lock, after a change of pyproject.toml or constraints.txt
	$(BIN)/python -m supply lock

images: setup  ## the images of images/Containerfile, by digest in build/images (docs/images.md)
	$(BIN)/python -m supply images $(IMAGES)
