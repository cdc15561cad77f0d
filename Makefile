# Each target creates the virtualenv that it needs. Requirements: Python 3.11 or newer, and make.

# The first interpreter that runs and is new enough; stubs of version managers may exist and fail.
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$candidate; break; }; done)

DEV := .venv
DEMO := .venv-demo
DEMO_PACKAGE := .[cli,tokens]
DEMO_WEB := .venv-demo-web
BENCH := .venv-bench
OLDEST := .venv-oldest
DOCS := .venv-docs
RELEASE := .venv-release
PIP_FLAGS := --disable-pip-version-check --quiet
UV := $(shell command -v uv)

.PHONY: help demo demo-web demo-bulk test test-oldest test-oldest-extras coverage check docs fmt mutants generate upgrade-model bench release clean
.DELETE_ON_ERROR:

help:
	@echo "make demo          reset a forgotten password and sign in, against a local user pool"
	@echo "make demo-bulk     reset 300 passwords in a bulk job that is killed and resumed, with a report"
	@echo "make demo-web      run a web site with sign-up, sign-in and password reset on a local user pool"
	@echo "make test          run the tests"
	@echo "make coverage      run the tests, and require 95 % branch coverage of the code that is not generated"
	@echo "make check         run the linters and type checkers, check the public API, and build the documentation"
	@echo "make docs          build the documentation site: site/index.html"
	@echo "make fmt           format the code and apply the linter's fixes"
	@echo "make mutants       check that tests notice changes of the code; MODULES=protocol/srp.py MINUTES=10 JOBS=2"
	@echo "make generate      generate code from the pinned service model"
	@echo "make upgrade-model pin the newest service model; then run make generate"
	@echo "make bench         run the benchmarks against plain aiohttp, aiobotocore, boto3 and capo"
	@echo "make release       build and check wheel and sdist in dist/; PUBLISH=1 also runs all checks and tests, uploads them and pushes the tag"
	@echo "make clean         remove the virtualenvs"

# $(call environment,FOLDER,PIP ARGUMENTS): uv installs faster, but does not read pip's configuration; then pip does it.
define environment
@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; pass one: make PYTHON=/path/to/python3"; exit 1; }
@echo "creating $(1) with $(PYTHON)$(if $(UV), and uv); this takes up to a minute, and is done once"
@$(PYTHON) -m venv --clear $(1)
@$(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python $(2) || )$(1)/bin/python -m pip install $(PIP_FLAGS) $(2)
@echo "created $(1)"
@touch $@
endef

$(DEV)/.ready: pyproject.toml requirements-dev.txt constraints.txt
	$(call environment,$(DEV),-c constraints.txt -r requirements-dev.txt -e .)

$(DEMO)/.ready: pyproject.toml constraints.txt
	$(call environment,$(DEMO),-c constraints.txt -e '$(DEMO_PACKAGE)')

$(DEMO_WEB)/.ready: pyproject.toml constraints.txt
	$(call environment,$(DEMO_WEB),-c constraints.txt -e '.[fastapi]' itsdangerous jinja2 segno uvicorn)

$(OLDEST)/.ready: pyproject.toml requirements-oldest.txt constraints.txt
	$(call environment,$(OLDEST),-r requirements-oldest.txt -e .)

$(DOCS)/.ready: requirements-docs.txt
	$(call environment,$(DOCS),-r requirements-docs.txt)

$(RELEASE)/.ready: pyproject.toml requirements-release.txt constraints.txt
	$(call environment,$(RELEASE),-c constraints.txt -r requirements-release.txt)

$(BENCH)/.ready: pyproject.toml benchmarks/requirements.txt
	$(call environment,$(BENCH),-r benchmarks/requirements.txt -e .)

# Requests to the local user pool must not go through a proxy of the environment.
demo demo-bulk demo-web: export NO_PROXY := 127.0.0.1
demo demo-bulk demo-web: export no_proxy := 127.0.0.1

demo: $(DEMO)/.ready
	@$(DEMO)/bin/python examples/reset_password.py

demo-web: $(DEMO_WEB)/.ready
	@cd examples && ../$(DEMO_WEB)/bin/python -m fastapi_app

demo-bulk: $(DEMO)/.ready
	@$(DEMO)/bin/python examples/bulk_reset.py

# Programs that tests start would compile all modules each time.
test coverage: export PYTHONDONTWRITEBYTECODE :=

test: $(DEV)/.ready test-oldest
	@$(DEV)/bin/python -m cognito_async.testing prepare
	@$(DEV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Apart from the tests, because measuring takes two minutes more.
coverage: $(DEV)/.ready
	@$(DEV)/bin/python -m cognito_async.testing prepare
	@rm -rf .coverage
	@$(DEV)/bin/python -m coverage run -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	@$(DEV)/bin/python -m coverage combine --quiet
	@printf 'branch coverage in %%: '; $(DEV)/bin/python -m coverage report --format=total

# Tests that depend on aiohttp, attrs and cattrs, with their oldest supported releases.
test-oldest: $(OLDEST)/.ready
	@$(OLDEST)/bin/python -m pytest tests/operations/test_contract.py tests/core/test_transport.py tests/core/test_proxies.py \
		tests/protocol/test_wire.py

# Tests that depend on the packages of the extras, with their oldest supported releases.
test-oldest-extras: $(OLDEST)/.ready
	@$(OLDEST)/bin/python -m pytest tests/tokens/test_verifier.py tests/bulk/test_report.py tests/cli/test_errors.py \
		tests/fastapi/test_current_user.py tests/fastapi/test_password_reset.py tests/fastapi/test_request_bodies.py \
		tests/fastapi/test_sign_in.py

check: $(DEV)/.ready docs
	@$(DEV)/bin/ruff check .
	@$(DEV)/bin/ruff format --check .
	@git ls-files -z | xargs -0 $(DEV)/bin/codespell
	@$(DEV)/bin/python -m tools.check_language
	@$(DEV)/bin/mypy
	@$(DEV)/bin/basedpyright
	@$(DEV)/bin/python -m tools.check_api
	@$(DEV)/bin/python -m tools.generate --check
	@$(DEV)/bin/python -m tools.botocore_release

docs: $(DOCS)/.ready
	@$(DOCS)/bin/python -m tools.build_docs

fmt: $(DEV)/.ready
	@$(DEV)/bin/ruff check --fix-only --quiet .
	@$(DEV)/bin/ruff format .

mutants: export MINUTES ?= 10
mutants: export JOBS ?= 2
mutants: $(DEV)/.ready
	@$(DEV)/bin/python -m tools.mutants $(MODULES)

generate: $(DEV)/.ready
	@$(DEV)/bin/python -m tools.generate

upgrade-model: $(DEV)/.ready
	@$(DEV)/bin/python -m tools.botocore_release --pin

bench: $(BENCH)/.ready
	@$(BENCH)/bin/python -m benchmarks

release: $(RELEASE)/.ready $(if $(filter 1,$(PUBLISH)),check test)
	@$(RELEASE)/bin/python -m tools.release

clean:
	rm -rf $(DEV) $(DEMO) $(DEMO_WEB) $(BENCH) $(OLDEST) $(DOCS) $(RELEASE) site dist .coverage .artefacts
