"""Structured logs: one JSON object a line, from our code, Django's and gunicorn's.

Nothing a client sent (photos, names, tokens, query strings) is ever logged, so an unexpected
error is logged by its type and the places it passed, without its message or any value.
"""

from __future__ import annotations

import sys
import traceback

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


def where_it_failed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace exc_info by {"type", "cause", "at": ["module:function:line", …]}, innermost last."""
    exc_info = event.pop("exc_info", None)
    if not exc_info:
        return event
    match exc_info:
        case BaseException():
            error: BaseException | None = exc_info
        case (_, BaseException() as error, _):
            pass
        case _:
            error = sys.exc_info()[1]
    if error is not None:
        cause = error.__cause__ or error.__context__
        event["error"] = {
            "type": type(error).__qualname__,
            "cause": type(cause).__qualname__ if cause else None,
            "at": [
                f"{frame.f_globals.get('__name__')}:{frame.f_code.co_name}:{line}"
                for frame, line in traceback.walk_tb(error.__traceback__)
            ],
        }
    return event


def without_path(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Django ends "Internal Server Error: /path" with what the client asked for."""
    if str(event.get("logger", "")).startswith("django.request"):
        event["event"] = str(event["event"]).partition(":")[0]
    return event


PRE_CHAIN: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def json_formatter() -> structlog.stdlib.ProcessorFormatter:
    """The one formatter, for Django's and gunicorn's logging configuration."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=PRE_CHAIN,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            without_path,
            where_it_failed,
            structlog.processors.JSONRenderer(),
        ],
    )


structlog.configure(
    processors=[*PRE_CHAIN, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
