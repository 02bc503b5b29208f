# Two commands for everybody: `make demo` and `make test`. `make help` lists the rest.
# Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
# MLServer and the oldest versions need 3.11 or 3.12.
IS_OLDER := -c 'import sys; sys.exit(sys.version_info[:2] > (3, 12))'
OLDER_PYTHON ?= $(or $(shell for python in $(PYTHON) python3.12 python3.11; do \
	$$python $(IS_OLDER) 2>/dev/null && echo $$python && break; done),$(PYTHON))
WITH_OLDER_PYTHON = @if $(OLDER_PYTHON) $(IS_OLDER); then $(MAKE) --no-print-directory $(1); else \
	echo 'Python 3.11 or 3.12 is needed, and "$(OLDER_PYTHON)" is neither: $@ is left out. Name another:'; \
	echo '    make OLDER_PYTHON=python3.12 $@'; fi
VENV := .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal --durations 15 --durations-min 8
# On the oldest versions exports, LiteRT and translators are not tested, nor that we agree with Keras's own attention,
# which cannot broadcast a mask there. TensorFlow 2.16 imports a name of JAX that JAX 0.4.30 deprecates.
ON_OLDEST = .oldest/bin/python $(wordlist 2,99,$(PYTEST)) --ignore tests/conformance/test_keras_export.py \
	--ignore tests/conformance/test_own_decoders.py \
	--ignore tests/conformance/test_litert_lengths.py \
	--ignore tests/keras_attention/attention/test_whole_sequences.py \
	--ignore tests/keras_attention/model/test_scoring.py \
	-W 'ignore:jax.xla_computation is deprecated:DeprecationWarning'
SPHINX := $(PY) -m sphinx --fresh-env --fail-on-warning --keep-going --quiet
RUN := runs/dates
OUT := exported/dates
CAMPAIGNS := .campaigns

export KERAS_BACKEND := tensorflow
export PIP_DISABLE_PIP_VERSION_CHECK := 1

INSTALLED := $(VENV)/.installed
BACKENDS := $(VENV)/.installed-backends
HOSTS := $(VENV)/.installed-hosts
DOCUMENTED := $(VENV)/.installed-docs
BROWSER := .browser/.installed
SERVERS := .servers/.installed
VALIDATORS := .validators/.installed
UV := uv==0.13.9
NPM := --ignore-scripts --no-audit --no-fund
OLDEST := .oldest/.installed
OLDEST_TESTS ?= tests/conformance tests/keras_attention/test_masking.py tests/keras_attention/test_scores.py \
	$(addprefix tests/keras_attention/,alignments attention cells decoding losses model recurrent)
OLDEST_MARKS ?= not thorough
SHARE ?= 0/1
TRAINED := $(RUN)/.trained
EXPORTED := $(OUT)/config.json
VERIFIED := $(OUT)/.verified

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help on-oldest on-servers env demo play test test-all test-thorough test-backends test-hosts test-browser test-servers test-oldest bench bench-growth campaigns docs linkcheck lint format lock wheel clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: $(VERIFIED) $(OUT)/attention.png ## train, export, verify, draw the dates model and show it; again: resumes
	@$(PY) -m export.summary $(OUT)

env: $(INSTALLED) ## only .venv, with all that the programs need

test: $(INSTALLED) ## the core suite
	$(PYTEST) --ignore tests/browser --ignore tests/hosts --ignore tests/oldest --ignore tests/servers

test-all: test ## all tests: the core suite and what it leaves to the commands below
	@$(MAKE) --no-print-directory test-thorough
	@$(MAKE) --no-print-directory test-backends
	@$(MAKE) --no-print-directory test-hosts
	@$(MAKE) --no-print-directory OLDEST_MARKS='thorough or not thorough' test-oldest
	@$(MAKE) --no-print-directory test-servers
	@$(MAKE) --no-print-directory test-browser

test-thorough: $(INSTALLED) ## further variants of what the core suite has; SHARE=K/N for a part, here and below
	$(PYTEST) --ignore tests/hosts -m thorough --share $(SHARE) tests

test-backends: $(BACKENDS) ## the conformance tests on PyTorch (where it is installed) and JAX, training in several processes
	@if $(PY) -c 'import torch' 2>/dev/null; then \
		KERAS_BACKEND=torch $(PYTEST) --share $(SHARE) tests/conformance; \
	else \
		echo 'PyTorch is not installed in $(VENV), its conformance tests are left out (see CONTRIBUTING.md).'; \
	fi
	KERAS_BACKEND=jax $(PYTEST) --share $(SHARE) tests/conformance
	KERAS_BACKEND=jax $(PY) -m pytest --share $(SHARE) tests/hosts --ignore-glob 'tests/hosts/test_*on_ray.py'

test-hosts: $(HOSTS) ## what Ray starts again: training in several processes, preparing and translating many files
	$(PY) -m pytest tests/hosts/test_*on_ray.py tests/export/bulk/test_on_ray.py

test-browser: $(INSTALLED) $(BROWSER) ## the exported page and the one to play with in headless Chromium (Debian: apt-get install chromium npm)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
		echo 'Chromium is needed (on Debian and Ubuntu: apt-get install chromium).' >&2; exit 1; }
	$(PY) -m pytest --share $(SHARE) tests/browser

test-servers: $(INSTALLED) ## the exported server, asked by real clients, and its manifests; needs Python 3.11 or 3.12
	+$(call WITH_OLDER_PYTHON,on-servers)

on-servers: $(SERVERS) $(VALIDATORS)
	$(PY) -m pytest --share $(SHARE) tests/servers

test-oldest: $(INSTALLED) ## the library on the oldest versions it allows, and files both ways; needs Python 3.11 or 3.12
	+$(call WITH_OLDER_PYTHON,on-oldest)

on-oldest: $(OLDEST)
	$(ON_OLDEST) -m '$(OLDEST_MARKS)' --share $(SHARE) $(OLDEST_TESTS)
	KERAS_BACKEND=jax $(ON_OLDEST) -m '$(OLDEST_MARKS)' --share $(SHARE) $(filter tests/conformance%,$(OLDEST_TESTS))
	$(PY) -m pytest tests/oldest

bench: $(INSTALLED) ## beside tfa.seq2seq, PyTorch, JoeyNMT and OpenNMT-py, in turns; installs them (18 GB) into .peers
	$(PY) -m benchmarks.run
	$(PY) -m benchmarks.parts

bench-growth: $(INSTALLED) ## how time and memory of a training step grow with length, batch and vocabulary, beside two peers
	$(PY) -m benchmarks.run --growth --turns 3 --sides ours tfa pytorch

campaigns: $(VERIFIED) ## hours: what must never happen, tried thousands of times; again: goes on where it was cut
	@test -e $(CAMPAIGNS)/dates/config.json || $(PY) -m export $(RUN) $(CAMPAIGNS)/dates --quantize float16 int8
	$(PY) -m benchmarks.campaigns --run $(RUN) --out $(CAMPAIGNS)/dates --work $(CAMPAIGNS)

docs: $(DOCUMENTED) ## the site of documents and reference, into docs/_build/html; a warning fails it
	$(SPHINX) -b html docs docs/_build/html
	@echo 'Open docs/_build/html/index.html'

linkcheck: $(DOCUMENTED) ## whether the links that leave the documents lead somewhere; needs the net
	$(SPHINX) -b linkcheck -D nb_execution_mode=off docs docs/_build/linkcheck

lint: $(INSTALLED) ## format, style, types and import directions
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(INSTALLED) ## let ruff put the code in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: ## after a change of requirements: make the locks anew, which the environments are installed from
	$(PYTHON) -m venv --clear .lock
	.lock/bin/python -m pip install --quiet $(UV)
	.lock/bin/python -m locks make
	@rm -rf .lock
	@if command -v npm >/dev/null; then \
		cd tests/browser && npm install --package-lock-only --omit-lockfile-registry-resolved $(NPM); \
	else \
		echo 'npm is not installed: tests/browser/package-lock.json stays as it is.'; \
	fi

wheel: $(INSTALLED) ## build the library's wheel into dist/
	$(PY) -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .

clean: ## remove what the programs made (runs/, exported/), dist/, caches; .venv stays
	rm -rf runs exported dist docs/_build .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The models of the page to play with, one for each translator and score.
SCORES := dot scaled_dot cosine general additive none
PLAYED := $(foreach task,commands dates lecture,$(addprefix runs/play/$(task)-,$(SCORES)))
OPTION_OF_additive := model.attention=bahdanau
OPTION_OF_none := model.attention=null
OPTION_OF_lecture-none := model.attention=null training.seed=3

play: $(addsuffix /.trained,$(PLAYED)) ## the models of the page to play with, trained anew, into docs/play/weights.js
	$(PY) -m training.play $(PLAYED) docs/play/weights.js

runs/play/%/.trained: data/commands.tsv | $(INSTALLED)
	$(PY) -m training.train --recipe play-$(firstword $(subst -, ,$*)) --data data --out runs/play/$* \
		$(or $(OPTION_OF_$*),$(OPTION_OF_$(lastword $(subst -, ,$*))),model.score=$(lastword $(subst -, ,$*)))
	@touch $@

data/commands.tsv: training/playing/commands.py | $(INSTALLED)
	$(PY) -m training.playing.commands $@

# Each step of the demo leaves a stamp when it is complete. A step that was interrupted has none: it runs
# again, and training resumes from its checkpoint. An export writes config.json last, and removes it first:
# that is its stamp.
$(TRAINED): | $(INSTALLED)
	$(PY) -m training.train --recipe dates --out $(RUN)
	@touch $@

$(EXPORTED): $(TRAINED)
	$(PY) -m export $(RUN) $(OUT)

$(VERIFIED): $(EXPORTED)
	$(PY) -m export.verify $(OUT)
	@touch $@

$(OUT)/attention.png: $(EXPORTED)
	$(PY) -m training.plot_attention $(RUN) --out $@

$(INSTALLED): requirements.txt locks/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo 'Python 3.11, 3.12 or 3.13 is needed, and "$(PYTHON)" is not one of them:' >&2; \
		$(PYTHON) --version >&2; \
		echo 'Name another, for example: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'Python cannot make virtual environments here (on Debian and Ubuntu: apt install python3-venv).' >&2; \
		exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m locks install $<
	@touch $@

$(BACKENDS): requirements-backends.txt locks/requirements-backends.txt $(INSTALLED)
	$(PY) -m locks install $<
	@touch $@

$(HOSTS): requirements-hosts.txt locks/requirements-hosts.txt $(BACKENDS)
	$(PY) -m locks install $<
	@touch $@

$(DOCUMENTED): requirements-docs.txt locks/requirements-docs.txt $(INSTALLED)
	$(PY) -m locks install $<
	@touch $@

$(BROWSER): tests/browser/package.json tests/browser/package-lock.json
	@command -v npm >/dev/null || { \
		echo 'npm is needed (on Debian and Ubuntu: apt-get install npm).' >&2; exit 1; }
	@mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci $(NPM)
	@touch $@

$(SERVERS): tests/servers/requirements.txt locks/tests/servers/requirements.txt \
		export/mlserver/requirements.txt locks/export/mlserver/requirements.txt
	$(OLDER_PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m locks install $<
	@touch $@

$(VALIDATORS): tests/servers/requirements-validators.txt locks/tests/servers/requirements-validators.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m locks install $<
	@touch $@

$(OLDEST): tests/oldest/requirements.txt tests/oldest/constraints.txt locks/tests/oldest/requirements.txt
	$(OLDER_PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m locks install $<
	@touch $@
