"""The application: what is answered at each address."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, Protocol
from urllib.parse import parse_qs

from fastapi import FastAPI, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from container_doors import __version__
from container_doors.adapters.http.access import COOKIE, SESSION_S, Access
from container_doors.adapters.http.gate import Gate, Rules
from container_doors.adapters.http.logs import JsonLog
from container_doors.adapters.http.metrics import CONTENT_TYPE_LATEST, Metrics
from container_doors.adapters.http.pages import plain_page, sign_in_page
from container_doors.adapters.http.refusals import Refusal, busy, stopping
from container_doors.adapters.http.uploads import Budget, read_uploads
from container_doors.core.installation import install_command
from container_doors.core.predictions import PhotographResult, json_schema
from container_doors.core.printable import shortened
from container_doors.prediction.service import (
    Asked,
    BusyError,
    Service,
    ServiceLimits,
    StoppingError,
    TooLateError,
    Upload,
    only_result,
)

_ROUTES = frozenset(
    {"/", "/v1/predict", "/v1/schema", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"}
    | {"/login"}
)
_SETTINGS = ("conf", "max_det", "name")
"""Of ``/v1/predict``, in the address."""

_DOCS_FILES = "/static-offline-docs"
_SLACK = 1 << 16
_MOST_OTHER = 1 << 20

_DESCRIPTION = """Finds the rear doors of containers in photographs. The results are those of
`doors predict --json`; `/v1/schema` describes them.

The model was trained with Ultralytics YOLO, which is AGPL-3.0: whoever uses this service over a
network may have the source code of the whole program under the same licence."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "contentMediaType": "image/*",
                                      "format": "binary"},
                        }
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}  # fmt: skip

_PROBLEM = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
            }
        }
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": PhotographResult | list[PhotographResult],
        "description": "Of one photograph its result; of a form the list of them, in its order. A "
        "file that could not be read has the status FAILED, and its problem.",
    },
    413: {"description": "Too many bytes or files", **_PROBLEM},
    422: {"description": "No photograph, or a setting out of range", **_PROBLEM},
    429: {"description": "Too many photographs wait; Retry-After says for how long", **_PROBLEM},
    503: {"description": "The service is stopping", **_PROBLEM},
    504: {"description": "It took too long", **_PROBLEM},
}


class Page(Protocol):
    """The page at ``/``."""

    def mount(self, app: FastAPI, budget: Budget) -> None:
        """Add it to an application, whose uploads share a budget."""

    def has(self, path: str) -> bool:
        """Return whether a path is one of its own."""

    def most_bytes(self, path: str) -> int | None:
        """Return how large a request to it may be; None if it has no limit of its own."""


def make_app(
    service: Service,
    *,
    access: Access,
    log: JsonLog,
    metrics: Metrics,
    page: Page | None = None,
) -> Gate:
    """Make the application, behind its gate."""
    app = FastAPIOffline(
        title="Container doors",
        version=__version__,
        description=_DESCRIPTION,
        redoc_url=None,
        swagger_ui_parameters={"validatorUrl": None},
        license_info={"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
    )
    _add_handlers(app)
    budget = Budget(2 * service.limits.request_bytes)
    _add_predict(app, service, metrics, budget)
    _add_probes(app, service, metrics)
    if access.token is not None:
        _add_sign_in(app, access)
    if page is not None:
        page.mount(app, budget)
    else:
        _add_plain_page(app)
    return Gate(app, _rules(service.limits, access, page), log, metrics)


def _rules(limits: ServiceLimits, access: Access, page: Page | None) -> Rules:
    def route_of(path: str) -> str | None:
        if path in _ROUTES:
            return None if path == "/login" and access.token is None else path
        if path.startswith(f"{_DOCS_FILES}/"):
            return "/docs"
        return "page" if page is not None and page.has(path) else None

    def most_bytes(path: str) -> int:
        if path == "/v1/predict":
            return limits.request_bytes + _SLACK
        of_page = page.most_bytes(path) if page is not None else None
        return _MOST_OTHER if of_page is None else of_page

    def is_page(path: str) -> bool:
        return page is not None and page.has(path)

    return Rules(access, most_bytes, route_of, is_page)


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return Response(error.body(), error.status, error.headers, "application/json")

    @app.exception_handler(HTTPException)
    async def not_answered(request: Request, error: HTTPException) -> Response:
        refusal = _no_answer(request, error)
        return Response(refusal.body(), refusal.status, error.headers, "application/json")

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        refusal = Refusal(422, f"{first['loc'][-1]}: {first['msg']}", "see /docs")
        return Response(refusal.body(), refusal.status, None, "application/json")


def _no_answer(request: Request, error: HTTPException) -> Refusal:
    """Explain what the framework answers by itself: a wrong method, or an address without one."""
    if request.url.path == "/v1/predict":
        return Refusal(
            405,
            f"expected POST, found {request.method}",
            "curl --data-binary @photo.jpg ADDRESS/v1/predict",
        )
    return Refusal(error.status_code, str(error.detail), "the addresses are at /docs")


def _add_predict(app: FastAPI, service: Service, metrics: Metrics, budget: Budget) -> None:
    @app.post(
        "/v1/predict",
        summary="Find doors",
        openapi_extra=_BODY,
        responses=_ANSWERS,
        dependencies=[Security(HTTPBearer(auto_error=False))],  # the gate asks; this documents it
    )
    async def predict(
        request: Request,
        conf: Annotated[
            float | None, Query(ge=0.01, le=1, description="Least confidence; default: the model's")
        ] = None,
        max_det: Annotated[
            int | None, Query(ge=1, le=300, description="Most doors; default: the model's")
        ] = None,
        name: Annotated[  # noqa: ARG001 - where the bytes are read
            str | None, Query(max_length=255, description="Of raw bytes: the file's name")
        ] = None,
    ) -> Response:
        _refuse_unknown(request)
        with budget.share() as share:
            uploads = await read_uploads(request, service.limits, share)
            results = await _looked_at(service, uploads, Asked(conf, max_det))
        for result in results:
            metrics.found(result)
        request.scope["doors.log"] |= _summary(results)
        is_form = request.headers.get("content-type", "").lower().startswith("multipart/")
        lines = [one.model_dump_json() for one in results]
        text = f"[{','.join(lines)}]" if is_form else lines[0]
        return Response(text, media_type="application/json")


def _refuse_unknown(request: Request) -> None:
    unknown = [name for name in request.query_params if name not in _SETTINGS]
    if unknown:
        raise Refusal(
            422,
            f"expected {', '.join(_SETTINGS)} as settings, found {shortened(repr(unknown[0]), 40)}",
            "see /docs",
        )


async def _looked_at(
    service: Service, uploads: Sequence[Upload], asked: Asked
) -> list[PhotographResult]:
    try:
        futures = service.submit(uploads, only_result, asked)
    except BusyError as error:
        raise busy(error.retry_after_s) from None
    except StoppingError:
        raise stopping() from None
    try:
        async with asyncio.timeout(service.limits.seconds):
            return await asyncio.gather(*map(asyncio.wrap_future, futures))
    except (TimeoutError, TooLateError):
        for one in futures:
            one.cancel()
        raise Refusal(
            504,
            f"it took more than {service.limits.seconds:g} s",
            "send fewer photographs at once, or start doors serve with a larger --timeout",
        ) from None


def _summary(results: Sequence[PhotographResult]) -> dict[str, int]:
    return {
        "photographs": len(results),
        "failed": sum(one.status == "FAILED" for one in results),
        "doors": sum(len(one.detections) for one in results),
    }


def _add_probes(app: FastAPI, service: Service, metrics: Metrics) -> None:
    schema = json.dumps(json_schema())

    @app.get("/v1/schema", summary="The JSON Schema of a result")
    async def predictions_schema() -> Response:
        return Response(schema, media_type="application/schema+json")

    @app.get("/healthz", summary="Whether the program runs")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether photographs are taken")
    async def readyz(response: Response) -> dict[str, str]:
        if service.is_stopping:
            response.status_code = 503
            return {"status": "stopping"}
        return {"status": "ready"}

    @app.get("/metrics", summary="For Prometheus")
    async def all_metrics() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_sign_in(app: FastAPI, access: Access) -> None:
    @app.get("/login", include_in_schema=False)
    async def ask(request: Request) -> HTMLResponse:
        return HTMLResponse(sign_in_page(request.query_params.get("next", "/"), is_wrong=False))

    @app.post("/login", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        where = form.get("next", ["/"])[0]
        if not access.is_token(form.get("token", [""])[0].strip()):
            return HTMLResponse(sign_in_page(where, is_wrong=True), status_code=401)
        answer = RedirectResponse(_own_path(where), status_code=303)
        answer.set_cookie(
            COOKIE, access.session(), max_age=SESSION_S, httponly=True, samesite="strict"
        )
        return answer


def _own_path(where: str) -> str:
    r"""Return a path of ours to go to; nothing that leads to another host.

    >>> _own_path("/docs"), _own_path("//evil.example"), _own_path("/\\evil.example")
    ('/docs', '/', '/')
    """
    return where if where in _ROUTES else "/"


def _add_plain_page(app: FastAPI) -> None:
    html = plain_page(install_command("demo"))

    @app.get("/", include_in_schema=False)
    async def plain() -> HTMLResponse:
        return HTMLResponse(html)
