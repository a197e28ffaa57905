"""Logs as one JSON object a line, on standard error: never a header, a query or a body."""

import json
import logging
from datetime import UTC, datetime


class AsJson(logging.Formatter):
    """Time, level, where and what; of an exception its kind and place."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def log_as_json() -> None:
    """Write our own logs this way; uvicorn's are left out but for its errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(AsJson())
    for name, level in (("comptroller", logging.INFO), ("uvicorn.error", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False
