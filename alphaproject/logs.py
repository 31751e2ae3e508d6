"""Structured logs: one JSON object a line, from our code, Django and gunicorn alike.

Nothing a client sent (photos, names, tokens, query strings) is ever logged.
"""

from __future__ import annotations

import structlog
from structlog.typing import Processor

PRE_CHAIN: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
PROCESSORS: list[Processor] = [
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    structlog.processors.dict_tracebacks,
    structlog.processors.JSONRenderer(),
]

structlog.configure(
    processors=[*PRE_CHAIN, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
