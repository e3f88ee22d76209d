"""The outermost layers: request ids, known hosts, security headers, one log line and the metrics of each request.

They see every request, also those that no route matches, and never its body.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.db import randomness
from app.settings import Settings
from app.web import answer
from app.web.problems import BadRequest, Problem

log = logging.getLogger("lattice.request")

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000"


class RequestMetrics:
    """Counts by route pattern, never by raw path, so that the number of series is bounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "lattice_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "lattice_http_request_seconds",
            "Time to the end of the answer.",
            ("route",),
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)


Face = Callable[[Request, Problem], Response]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Edge:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: RequestMetrics, face: Face) -> None:
        self.app = app
        self.face = face
        self.settings = settings
        self.metrics = metrics
        headers = {**HEADERS, "Cache-Control": "no-store"}
        if settings.secure_cookies:
            headers["Strict-Transport-Security"] = HSTS
        self._defaults = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope["lattice.request_id"] = randomness.take(8).hex()
        logs.request_id.set(request_id)  # each request is a task, whose context goes along into its threads
        began = time.perf_counter()
        status = 500
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                message["headers"] = self._completed(message["headers"], request_id)
            await send(message)

        try:
            if not self.settings.is_known_host(Headers(scope=scope).get("host", "")):
                raise BadRequest("This server does not answer to that Host; set BASE_URL or ALLOWED_HOSTS.")
            await self.app(scope, receive, send_with_headers)
        except Problem as problem:
            await self._drawn(scope, problem)(scope, receive, send_with_headers)
        except Exception:
            log.exception("a request failed")
            if started:
                raise
            crash = Problem(f"The server failed; its log has the details under request {request_id}.")
            await self._drawn(scope, crash)(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - began)

    def _drawn(self, scope: Scope, problem: Problem) -> Response:
        """In the face of what was asked for; as JSON where that fails too."""
        try:
            return self.face(Request(scope), problem)
        except Exception:
            log.exception("the face of a problem failed")
            return answer.problem_json(problem, scope["lattice.request_id"])

    def _completed(self, given: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
        """An answer's header fields with those that every answer has, unless it has its own."""
        headers = list(given)
        own = {name for name, _ in headers}
        return [*headers, *(d for d in self._defaults if d[0] not in own), (b"x-request-id", request_id.encode())]

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("lattice.route", "unmatched")
        self.metrics.observe(scope["method"], route, status, seconds)
        if log.isEnabledFor(logging.INFO) or status >= 500:
            level = logging.ERROR if status >= 500 else logging.INFO
            log.log(
                level,
                "request",
                extra={
                    "fields": {
                        "method": scope["method"],
                        "route": route,
                        "status": status,
                        "ms": round(seconds * 1000, 2),
                        "ip": scope["client"][0] if scope.get("client") else None,
                    }
                },
            )
