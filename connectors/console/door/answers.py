"""Answers as JSON, and refusals that all have one form: ``{"error": KIND, "detail": TEXT}``."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

ERRORS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "unavailable",
}


def as_json(value: object, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def problem(detail: str, status: int) -> Response:
    """Why something is not done."""
    return as_json({"error": ERRORS.get(status, "failed"), "detail": detail}, status)
