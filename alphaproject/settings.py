"""All settings, read from the environment (and from `.env`, which never overrides it).

`.env.example` documents every variable. A missing or bad value stops start-up and is named.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import environs
from botocore.config import Config
from cryptography.fernet import Fernet
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from alphaproject.capacity import read_capacity

BASE_DIR = Path(__file__).resolve().parent.parent

env = environs.FileAwareEnv()
env.read_env(os.environ.get("ENV_FILE", BASE_DIR / ".env"), recurse=False)


def _fernet_keys(values: list[str]) -> None:
    if not values:
        raise environs.ValidationError("must name at least one key")
    try:
        [Fernet(value) for value in values]
    except ValueError as error:
        raise environs.ValidationError("must be Fernet keys: 32 bytes in URL-safe base64") from error


def _origins(values: list[str]) -> None:
    if not all(value.startswith(("https://", "http://")) for value in values):
        raise environs.ValidationError("must begin with https:// or http://")


def _token(value: str) -> None:
    if value and len(value) < 16:
        raise environs.ValidationError("must have at least 16 characters")


def _cache_url(value: str) -> None:
    if value and not value.startswith(("redis://", "rediss://", "unix://")):
        raise environs.ValidationError("must begin with redis://, rediss:// or unix://")


def _folder(value: Path) -> None:
    # What an empty value becomes: files would land wherever the server was started.
    if value == Path():
        raise environs.ValidationError("must name a folder")


# --- Core -------------------------------------------------------------------------------------
DEBUG: bool = env.bool("DEBUG", False)
# No secret has a default: `make run` writes fresh ones into .env.
SECRET_KEY: str = env.str("SECRET_KEY", validate=environs.validate.Length(min=50))
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], validate=environs.validate.Length(min=1)
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [], validate=_origins)
# Proxies between the client and the server; 0 trusts no forwarded address or scheme.
PROXY_COUNT: int = env.int("PROXY_COUNT", 0, validate=environs.validate.Range(min=0))
HTTPS: bool = env.bool("HTTPS", True)

ROOT_URLCONF = "alphaproject.urls"
WSGI_APPLICATION = "alphaproject.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "auditlog",
    "django_tasks",
    "django_tasks_db",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sitemaps",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "alphaproject",
    "classification",
    "catalog",
    "inference",
]

MIDDLEWARE = [
    "alphaproject.middleware.RequestLogMiddleware",
    "alphaproject.middleware.AwaitedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "alphaproject.middleware.UploadMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "alphaproject.middleware.AuditActorMiddleware",
    "alphaproject.middleware.ContentSecurityPolicyMiddleware",
    "alphaproject.middleware.UnstorableInputMiddleware",
    "alphaproject.middleware.DatabaseMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Languages --------------------------------------------------------------------------------
LANGUAGE_CODE: str = env.str("DEFAULT_LANGUAGE", "en", validate=environs.validate.OneOf(["en", "ko"]))
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE: str = env.str("TIME_ZONE", "UTC", validate=environs.validate.OneOf(available_timezones()))
USE_TZ = True

# --- Database ---------------------------------------------------------------------------------
# A request gives its connection to PostgreSQL back: many threads would each keep one, and there are a hundred for all.
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.dj_db_url("DATABASE_URL", f"sqlite:///{BASE_DIR / 'var' / 'db.sqlite3'}")
}
# Connections to PostgreSQL that a process's requests share: to connect takes longer than all that one asks.
DATABASE_POOL: int = env.int("DATABASE_POOL", 16, validate=environs.validate.Range(1, 1000))
if DATABASES["default"].get("ENGINE", "").endswith("postgresql"):
    # Seconds that a request waits for one. The pool tries ever more seldom to connect to a database that is away, and
    # would not try for a request meanwhile, until it gives up: soon, so that a request finds one that is back.
    pool = {"min_size": 1, "max_size": DATABASE_POOL, "timeout": 3, "reconnect_timeout": 2}
    # A host that is gone says nothing, for which a connection would wait for many minutes (tcp_user_timeout: ms).
    gives_up = {
        "connect_timeout": 3,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    DATABASES["default"]["OPTIONS"] = gives_up | DATABASES["default"].get("OPTIONS", {}) | {"pool": pool}
    # What a restart of the database has ended is found before it is used.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"].get("ENGINE", "").endswith("sqlite3"):
    # The last connection to close writes the log back into the file, and waits for the disk.
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    # Write-ahead logging lets readers and a writer work at once; IMMEDIATE avoids lock upgrades
    # that fail at once instead of waiting for the timeout.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

# --- Cache ------------------------------------------------------------------------------------
# Counts of requests, and figures of surveys. It may be away: then requests are not limited, and figures drawn again.
CACHE_URL: str = env.str("CACHE_URL", "", validate=_cache_url)
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "OPTIONS": {"IGNORE_EXCEPTIONS": True, "SOCKET_CONNECT_TIMEOUT": 1, "SOCKET_TIMEOUT": 1},
    }
    if CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# --- Storage ----------------------------------------------------------------------------------
# Four places: "catalog" holds pictures of celebrities, "photos" people's own, encrypted, "models" released
# weights, "imports" archives that curators uploaded, until they are imported.
STORAGE: str = env.str("STORAGE", "folder", validate=environs.validate.OneOf(["folder", "s3"]))
STORAGE_FOLDER: Path = env.path("STORAGE_FOLDER", BASE_DIR / "var" / "storage", validate=_folder)
MEDIA_URL = "/media/"
PHOTO_ENCRYPTION_KEYS: list[str] = env.list("PHOTO_ENCRYPTION_KEYS", validate=_fernet_keys)


def _folder_storage(name: str) -> dict[str, Any]:
    options: dict[str, Any] = {"location": STORAGE_FOLDER / name}
    if name == "catalog":
        options["base_url"] = MEDIA_URL
    else:
        options |= {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}


def _s3_storage(name: str) -> dict[str, Any]:
    encryption: dict[str, str] = {}
    if algorithm := env.str(
        "S3_SERVER_SIDE_ENCRYPTION", "AES256", validate=environs.validate.OneOf(["", "AES256", "aws:kms"])
    ):
        encryption["ServerSideEncryption"] = algorithm
    if key_id := env.str("S3_KMS_KEY_ID", ""):
        encryption["SSEKMSKeyId"] = key_id
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": env.str("S3_BUCKET", validate=environs.validate.Length(min=1)),
            "location": name,
            "endpoint_url": env.str("S3_ENDPOINT_URL", None, validate=environs.validate.URL(require_tld=False)),
            "region_name": env.str("S3_REGION", None),
            "object_parameters": encryption,
            "default_acl": None,
            "file_overwrite": False,
            "querystring_expire": 3600,
            # A bucket that does not answer must not hold up a start or a request for minutes.
            "client_config": Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2}),
        },
    }


_storage = _s3_storage if STORAGE == "s3" else _folder_storage
STORAGES = {
    "default": _storage("catalog"),
    "catalog": _storage("catalog"),
    "photos": _storage("photos"),
    "models": _storage("models"),
    "imports": _storage("imports"),
    "staticfiles": {"BACKEND": "alphaproject.static_files.StaticFilesStorage"},
}
STATIC_URL = "/static/"
STATIC_ROOT: Path = env.path("STATIC_FOLDER", BASE_DIR / "var" / "static", validate=_folder)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# --- Photos, people, limits -------------------------------------------------------------------
MAX_PHOTO_BYTES: int = env.int("MAX_PHOTO_MB", 15, validate=environs.validate.Range(1, 100)) * 1024 * 1024
MAX_PHOTO_PIXELS: int = env.int("MAX_PHOTO_MEGAPIXELS", 50, validate=environs.validate.Range(1, 200)) * 1_000_000
MIN_FACE_PIXELS: int = env.int("MIN_FACE_PIXELS", 80, validate=environs.validate.Range(1, 10_000))
MIN_AGE: int = env.int("MIN_AGE", 14, validate=environs.validate.Range(min=0, max=120))
RETENTION_DAYS: int = env.int("RETENTION_DAYS", 30, validate=environs.validate.Range(1, 3650))
# Photos stay in memory: none of a refused request ever touches a disk. Only staff may send more than that takes.
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "alphaproject.uploads.StaffUploadHandler",
]
# The largest archive or table that the back office takes in one upload.
MAX_IMPORT_BYTES: int = env.int("MAX_IMPORT_MB", 1024, validate=environs.validate.Range(1, 100_000)) * 1024 * 1024
# The mobile app sends the photo as base64 inside JSON: 4 bytes for 3, and some fields.
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_PHOTO_BYTES * 4 // 3 + 64 * 1024
# Compared with the whole request, fields included; a larger one would lose its file.
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE
# Seconds in which a small request must have arrived, and in which every client must send something; the bytes a second
# that a large one must reach at least; and the bytes of requests that a process holds at once.
UPLOAD_TIMEOUT: int = env.int("UPLOAD_TIMEOUT", 15, validate=environs.validate.Range(1, 3600))
UPLOAD_MIN_RATE: int = env.int("UPLOAD_MIN_RATE_KB", 16, validate=environs.validate.Range(1, 100_000)) * 1024
UPLOAD_MEMORY: int = env.int("UPLOAD_MEMORY_MB", 256, validate=environs.validate.Range(1, 1_000_000)) * 1024 * 1024
# The mobile app's test endpoint, which answers a result code without looking at the photo.
MOBILE_SAMPLE_ENDPOINT: bool = env.bool("MOBILE_SAMPLE_ENDPOINT", False)

# --- Inference --------------------------------------------------------------------------------
# Addresses of the inference tier, where it is a tier of its own; all lead to the same replicas.
INFERENCE_URL: list[str] = env.list("INFERENCE_URL", [], validate=_origins)
# Both tiers know it; the inference tier answers nobody else.
INFERENCE_SECRET: str = (
    env.str("INFERENCE_SECRET", validate=environs.validate.Length(min=32))
    if INFERENCE_URL
    else env.str("INFERENCE_SECRET", "")
)
INFERENCE_BACKEND: str = env.str(
    "INFERENCE_BACKEND",
    "inference.serving.remote.RemoteBackend" if INFERENCE_URL else "inference.serving.engines.EnginesBackend",
)
_capacity = read_capacity(env)
WEB_CONCURRENCY: int = _capacity.processes
# Engines of each web process, and threads of each: all that share the machine share its cores, since with a thread a
# core in each, all would wait for each other. One thread an engine gets the most out of a core.
INFERENCE_PROCESSES: int = _capacity.engines
INFERENCE_THREADS: int = env.int(
    "INFERENCE_THREADS",
    max(_capacity.cores // INFERENCE_PROCESSES, 1),
    validate=environs.validate.Range(1, 1024),
)
# Where the nets run, as torch names it; decoding stays with the CPU.
INFERENCE_DEVICE: str = _capacity.device
# Photos an engine analyses at once, milliseconds that a photo waits for others to be analysed with, and photos that may
# wait for their turn: one more is refused as busy.
INFERENCE_BATCH: int = _capacity.batch
INFERENCE_WAIT: int = env.int("INFERENCE_WAIT", 0, validate=environs.validate.Range(0, 10_000))
INFERENCE_QUEUE: int = _capacity.queue
# Seconds until a photo is answered, or refused as busy.
INFERENCE_TIMEOUT: int = env.int("INFERENCE_TIMEOUT", 10, validate=environs.validate.Range(1, 600))
# Released weights, fetched from the "models" storage; it can be emptied at any time.
MODEL_CACHE_FOLDER: Path = env.path("MODEL_CACHE_FOLDER", BASE_DIR / "var" / "models", validate=_folder)

# --- Background work --------------------------------------------------------------------------
# `manage.py db_worker` does it; nothing but the database is needed.
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# --- API --------------------------------------------------------------------------------------
THROTTLE_ENABLED: bool = env.bool("THROTTLE_ENABLED", True)
THROTTLE_CLASSIFY: str = env.str(
    "THROTTLE_CLASSIFY", "60/min", validate=environs.validate.Regexp(r"^[1-9]\d*/(sec|min|hour|day)$")
)
THROTTLE_SURVEY_JOIN: str = env.str(
    "THROTTLE_SURVEY_JOIN", "60/min", validate=environs.validate.Regexp(r"^[1-9]\d*/(sec|min|hour|day)$")
)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "alphaproject.negotiation.LenientNegotiation",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.ScopedRateThrottle"] if THROTTLE_ENABLED else [],
    "DEFAULT_THROTTLE_RATES": {"classify": THROTTLE_CLASSIFY, "survey_join": THROTTLE_SURVEY_JOIN},
    "EXCEPTION_HANDLER": "alphaproject.errors.problem_response",
    "NUM_PROXIES": PROXY_COUNT,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Alpha Project",
    "DESCRIPTION": "A photo of a man's face in; one of five survey-derived face types out. Entertainment: "
    "it says what people perceive, never what a person is.",
    "VERSION": "1.2.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/",
    "ENUM_NAME_OVERRIDES": {
        "FaceTypeCode": "classification.api.serializers.TYPE_CHOICES",
        "FacePart": "classification.api.serializers.PART_CHOICES",
    },
}

# --- Back office ------------------------------------------------------------------------------
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")


UNFOLD = {
    "SITE_TITLE": "Alpha Project",
    "SITE_HEADER": "Alpha Project",
    "SITE_SYMBOL": "face",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("icons/favicon.svg")},
    ],
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "alphaproject.dashboard.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "alphaproject.navigation.sidebar"},
}
# The id that our log lines have, never one that a client sends.
AUDITLOG_CID_GETTER = "catalog.services.audit.correlation_id"
AUDITLOG_DISABLE_REMOTE_ADDR = True

# --- Security ---------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
# Load balancers probe the containers themselves, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
if PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Measurements -----------------------------------------------------------------------------
# What reads /metrics; without it, there is no such address.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "", validate=_token)

# --- Logs -------------------------------------------------------------------------------------
LOG_LEVEL: str = env.str("LOG_LEVEL", "INFO", validate=environs.validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "alphaproject.logs.json_formatter"}},
    "filters": {"raised": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: bool(record.exc_info)}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Our own line tells of every request; Django's would repeat refused ones, with their paths and hosts.
        "django.request": {"level": "ERROR", "filters": ["raised"]},
        "django.security": {"level": "CRITICAL"},
        # Unfold's templates look up many optional variables; Django logs each at DEBUG.
        "django.template": {"level": "INFO"},
        "django.server": {"handlers": ["stderr"], "propagate": False},
    },
}
