"""What no real server can be made to do at will: too many questions, pages that expire, links that lead elsewhere.

A few lines of an application, on a real port, so that every byte goes through HTTP; what HAPI can do is tested on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = Callable[[Request], Response]

CLOCK = "2026-03-02T12:00:00.000+00:00"


def stub(answer: Answer, seen: list[str]) -> Starlette:
    """An application that answers all with one function, and notes what it was asked."""

    async def handle(request: Request) -> Response:
        seen.append(f"{request.method} {request.url.path}?{request.url.query}".rstrip("?"))
        return answer(request)

    return Starlette(routes=[Route("/{name:path}", handle, methods=["GET", "POST", "PUT"])])


def page(*bodies: dict[str, Any], next_link: str = "", kind: str = "history", clock: str = CLOCK) -> Response:
    """A page of a bundle."""
    entries = [{"resource": body, "request": {"method": "PUT", "url": f"{body['resourceType']}/{body['id']}"}}
               for body in bodies]  # fmt: skip
    links = [{"relation": "next", "url": next_link}] if next_link else []
    said = {"resourceType": "Bundle", "type": kind, "meta": {"lastUpdated": clock}, "link": links, "entry": entries}
    return JSONResponse(said, media_type="application/fhir+json")


def capabilities(*kinds: str, history: bool = True) -> Response:
    """What a server says that it has."""
    acts = [{"code": "read"}, {"code": "search-type"}] + ([{"code": "history-type"}] if history else [])
    rest = [{"mode": "server", "resource": [{"type": kind, "interaction": acts} for kind in kinds]}]
    return JSONResponse({"resourceType": "CapabilityStatement", "rest": rest})
