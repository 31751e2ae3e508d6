# `make run` serves the product; `make test` tests it. Both set up all they need.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check client translations clean

run: $(VENV)/.installed .env
	@$(BIN)/python manage.py prepare
	@echo "Serving on http://127.0.0.1:$(PORT)"
	@PORT=$(PORT) exec $(BIN)/python deploy/run.py

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n auto --dist loadgroup $(PYTEST_OPTIONS)

# Django's own checks run under the settings of a production that is configured well.
check: export ENV_FILE := /dev/null
check: export SECRET_KEY = $(shell $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))')
check: export PHOTO_ENCRYPTION_KEYS = $(shell $(PYTHON) -c 'import base64, secrets; print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())')
check: export ALLOWED_HOSTS := alpha.example
check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

# A typed client of the API, made from its schema.
client: $(VENV)/.installed-dev .env
	@mkdir -p var
	$(BIN)/python manage.py spectacular --file var/schema.yaml
	$(BIN)/openapi-python-client generate --path var/schema.yaml --config deploy/client.yaml --fail-on-warning --overwrite --output-path var/client

translations: $(VENV)/.installed-dev
	$(BIN)/python manage.py makemessages -l ko --no-obsolete --no-wrap --ignore=.venv --ignore=tests
	$(BIN)/pybabel compile -d locale -D django

clean:
	rm -rf $(VENV) var .env

.env: .env.example
	@test -e $@ && touch $@ || $(PYTHON) deploy/create_env.py .env.example $@

$(VENV)/.installed: requirements.txt requirements-web.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), "Python 3.11 is needed; name it with make PYTHON=…"'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-ray.txt $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
