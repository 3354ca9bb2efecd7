"""The plain port for the kubelet, Prometheus and people: healthz, readyz, metrics, version."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from webhook.app import plain_app

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def ops_app(
    unready: Callable[[], str], metrics: Callable[[], bytes], version: Callable[[], Mapping[str, object]]
) -> FastAPI:
    """`unready` says why reviews are not answered, and nothing when they are."""
    app = plain_app([])

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok")

    @app.get("/readyz")
    async def readyz() -> Response:
        reason = unready()
        return JSONResponse({"error": reason}, 503) if reason else PlainTextResponse("ok")

    @app.get("/metrics")
    async def exposition() -> Response:
        return Response(metrics(), media_type=METRICS_TYPE)

    @app.get("/version")
    async def about() -> Response:
        return JSONResponse(version())

    return app
