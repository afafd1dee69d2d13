"""Embudo's settings: one file, read from the environment (and `.env`), failing loudly on a wrong value.

Every variable has a default that works on one machine; docs/configuration.md lists them.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.read_env(BASE_DIR / ".env")


def flag(name: str, *, default: bool) -> bool:
    """A yes/no variable; django-environ would read a typing error as "no"."""
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    value = env.str(name, default=str(default)).strip().lower()
    if value not in words:
        raise ImproperlyConfigured(f"{name}={value!r} is not allowed; use one of {', '.join(words)}")
    return words[value]


def web_address(name: str, *, default: str) -> str:
    value = env.str(name, default=default).rstrip("/")
    if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
        raise ImproperlyConfigured(f"{name}={value!r} is not allowed; use an address such as https://crm.example.com")
    return value


def whole_number(name: str, *, default: int, low: int, high: int) -> int:
    value = env.str(name, default=str(default))
    if not value.isdecimal() or not low <= int(value) <= high:
        raise ImproperlyConfigured(f"{name}={value!r} is not allowed; use a whole number from {low} to {high}")
    return int(value)


def postgres_address(name: str) -> dict[str, Any]:
    """The address itself stays out of the message: it holds a password."""
    try:
        is_ours = urlsplit(env.str(name)).scheme in ("postgres", "postgresql")
        address = env.db(name) if is_ours else {}
    except ValueError:
        address = {}
    if not address.get("NAME"):
        raise ImproperlyConfigured(
            f"{name} is not allowed; Embudo runs on PostgreSQL only: postgres://user:pw@host/name"
        )
    address.setdefault("OPTIONS", {}).setdefault("connect_timeout", 10)
    return address


def mail_server(name: str) -> dict[str, Any]:
    """Django's EMAIL_* settings. The address itself stays out of the message: it holds a password."""
    scheme = urlsplit(env.str(name, default="")).scheme
    if scheme not in ("", *environ.Env.EMAIL_SCHEMES):
        known = ", ".join(environ.Env.EMAIL_SCHEMES)
        raise ImproperlyConfigured(f"{name} is not allowed; use an address that begins with one of {known}")
    return dict(env.email_url(name if scheme else "", default="dummymail://"))


DEBUG = flag("DEBUG", default=False)
PUBLIC_URL = web_address("PUBLIC_URL", default="http://localhost:8000")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[urlsplit(PUBLIC_URL).hostname, "localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# Without DATABASE_URL the product runs on its own PostgreSQL under var/ and makes its own secrets there.
# DATABASE_URL is the role that runs the product; DATABASE_OWNER_URL the one that owns the tables and migrates.
IS_EMBEDDED = not env.str("DATABASE_URL", default="")
if IS_EMBEDDED:
    DATABASES = {"default": embedded.database(VAR_DIR)}
    DATABASE_OWNER = embedded.OWNER
    SECRET_KEY = env.str("SECRET_KEY", default="") or embedded.secret(VAR_DIR, "secret_key")
    CREDENTIALS_KEYS = env.list("CREDENTIALS_KEYS", default=[]) or [embedded.secret(VAR_DIR, "credentials_key")]
else:
    DATABASES = {"default": postgres_address("DATABASE_URL")}
    _owner = postgres_address("DATABASE_OWNER_URL" if "DATABASE_OWNER_URL" in env.ENVIRON else "DATABASE_URL")
    DATABASE_OWNER = {"USER": _owner["USER"], "PASSWORD": _owner["PASSWORD"]}
    SECRET_KEY = env.str("SECRET_KEY")
    CREDENTIALS_KEYS = env.list("CREDENTIALS_KEYS")
DATABASES["default"].update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)

INSTALLED_APPS = [
    "config.apps.EmbudoAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_fsm",
    "django_filters",
    "django_celery_beat",
    "axes",
    "csp",
    "brokers",
    "leads",
    "templates_app",
    "messaging",
    "voice",
    "campaigns",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "brokers.middleware.brokerage_time",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "brokers.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "brokers:login"
LOGIN_REDIRECT_URL = "brokers:home"
LOGOUT_REDIRECT_URL = "brokers:login"
# Ten wrong passwords lock that name from that address for a quarter of an hour.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
# Django's own IP logging works behind a proxy only when told so; see docs/configuration.md.
AXES_IPWARE_PROXY_COUNT = None

IS_HTTPS = urlsplit(PUBLIC_URL).scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = flag("SECURE_SSL_REDIRECT", default=IS_HTTPS)
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
if flag("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "es"
LANGUAGES = [("es", _("Spanish")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# What each room knows of a lead, the highest first: its timeline, what moves when two leads are merged, personal data.
LEAD_ROOMS = ["campaigns.lead_room", "voice.lead_room", "messaging.lead_room", "leads.lead_room"]

# One line a provider: the word in ChannelAccount.provider, and the adapter that speaks to it.
PROVIDERS = {
    "sandbox": "messaging.sandbox.Sandbox",
    "smtp": "messaging.smtp.Smtp",
    "anymail": "messaging.mail_services.Anymail",
    "telegram": "messaging.telegram.Telegram",
    "twilio_whatsapp": "messaging.twilio_whatsapp.TwilioWhatsapp",
}
# Where these providers are reached; other addresses are for self-hosted servers and for tests.
TELEGRAM_API_URL = web_address("TELEGRAM_API_URL", default="https://api.telegram.org")
TWILIO_API_URL = web_address("TWILIO_API_URL", default="https://api.twilio.com")
# The law of where people are; a brokerage's counsel may have a copy of their own.
JURISDICTIONS_FILE = env.path("JURISDICTIONS_FILE", default=BASE_DIR / "messaging" / "jurisdictions.yaml")
# How many sends one process has under way at once.
SENDER_THREADS = whole_number("SENDER_THREADS", default=16, low=1, high=256)
# How long a received mail may be, in bytes, with all that is attached to it; only its text is kept.
INBOUND_MAIL_BYTES = whole_number("INBOUND_MAIL_BYTES", default=30_000_000, low=1_000_000, high=100_000_000)
ENGINE_BATCH = whole_number("ENGINE_BATCH", default=1000, low=1, high=10_000)
# Mail to people who work here. Without a server none is sent, and each says so in the admin.
vars().update(mail_server("EMAIL_URL"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="embudo@localhost")

CELERY_BROKER_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"

DEFAULT_EXCEPTION_REPORTER_FILTER = "config.errors.HidesSecrets"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="WARNING")},
}
