"""The ASGI app: promises, orders, options and parcels under way as JSON over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from etapromise.errors import ContractError, EtapromiseError, MissingExtraError
from etapromise.promise.model import PromiseModel
from etapromise.serving.answers import ANSWERS, checkout_facts, fallback, problem
from etapromise.serving.live_model import LiveModel
from etapromise.serving.openapi import openapi
from etapromise.serving.server_metrics import ServerMetrics

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

FALLBACK_DAYS: Final = 7
"""Calendar days that are promised where no model can be asked."""

_LARGEST_BODY: Final = 2_000_000
_MOST_LET_GO: Final = 1_000_000_000
_LOOK_EVERY: Final = 1.0
_JSON: Final = "application/json"
# These take long enough to keep others waiting.
_SLOW: Final = frozenset({"/track"})
_PAGE: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_LOOKED_AT: Final = ("/", "/healthz", "/metrics", "/openapi.json", "/checkout.json")
_POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"

_log = logging.getLogger("etapromise.serving")


def create_app(
    models: str | Path,
    *,
    fallback_days: int = FALLBACK_DAYS,
    look_every: float = _LOOK_EVERY,
    ways: list[dict[str, Any]] | None = None,
) -> Starlette:
    """An ASGI app that answers from the current model of a directory.

    Args:
        models: a directory with a link `current`, or a model's own directory. It is looked at
            again every `look_every` seconds; without a model the app promises `fallback_days`.
        fallback_days: calendar days from the order to a promise that no model gives.
        look_every: seconds.
        ways: options that the checkout page compares: carrier, service, price and whatever else
            `PromiseModel.compare` takes; by default the services that the model knows.

    Raises:
        ContractError: `fallback_days` is no whole number of days, at least 1.

    Examples:
        >>> app = etapromise.create_app("models")
        >>> callable(app)
        True
    """
    days: object = fallback_days
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise ContractError(
            f"Found fallback_days={fallback_days!r}; expected a whole number of days, at least 1."
        )
    server = _Server(LiveModel(models), fallback_days, ways)
    return _App(
        server,
        routes=[
            # What is no POST is refused here; the rest never comes this far.
            *(Route(path, server.health, methods=["POST"]) for path in ANSWERS),
            Route("/healthz", server.health),
            Route("/metrics", server.metrics),
            Route("/openapi.json", server.openapi),
            Route("/checkout.json", server.checkout),
            *(Route(path, _page(*file)) for path, file in _PAGE.items()),
        ],
        lifespan=server.watching(look_every),
        exception_handlers={404: _refused, 405: _refused},
    )


class _App(Starlette):
    """Answers on the shortest way; everything else goes the usual one."""

    def __init__(self, server: _Server, **routing: Any) -> None:
        super().__init__(**routing)
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            # Where it is mounted in another app, the path has that place in front.
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path in ANSWERS:
                await self._server.answer(path, receive, send)
                return
        await super().__call__(scope, receive, send)


class _Server:
    def __init__(
        self, held: LiveModel, fallback_days: int, ways: list[dict[str, Any]] | None
    ) -> None:
        self._held = held
        self._days = fallback_days
        self._ways = ways
        self._registry = CollectorRegistry()
        self._metrics = ServerMetrics(self._registry, held)

    def watching(self, every: float) -> Callable[[Starlette], Any]:
        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            task = asyncio.create_task(self._watch(every))
            try:
                yield
            finally:
                task.cancel()

        return lifespan

    async def _watch(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                if await run_in_threadpool(self._held.refresh):
                    _log.info("answering from model %s", _version(self._held.model))
            except Exception:  # noqa: BLE001
                # The watch must go on: whatever happened, the model in use still answers.
                _log.exception("looking for a new model failed")

    async def answer(self, path: str, receive: Receive, send: Send) -> None:
        """Answer a request to one of ANSWERS."""
        start = time.perf_counter()
        try:
            body = await _body(receive)
        except ClientDisconnect:
            return
        status, content = await self._answered(path, ANSWERS[path], body)
        self._metrics.answered(path, status, time.perf_counter() - start)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answered(
        self, path: str, answer: Callable[[PromiseModel, Any], Any], body: bytes | None
    ) -> tuple[int, bytes]:
        if body is None:
            return 413, _problem(
                f"Found a request of more than {_LARGEST_BODY} bytes; expected less. Ask in "
                "several requests."
            )
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return 400, _problem(f"Found a body that is no JSON ({error}); expected a JSON object.")
        try:
            return 200, await self._promised(path, answer, asked)
        except ContractError as error:
            return 422, _problem(error)
        except MissingExtraError as error:
            # Days after the order would be no date of a parcel under way.
            return 501, _problem(error)

    async def _promised(
        self, path: str, answer: Callable[[PromiseModel, Any], Any], asked: Any
    ) -> bytes:
        model = self._held.model
        if model is None:
            return self._fallback(asked, "no_model", str(self._held.error))
        try:
            if path in _SLOW:
                found = await run_in_threadpool(answer, model, asked)
            else:
                found = answer(model, asked)
            self._metrics.promised(found)
            return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
        except (ContractError, MissingExtraError):
            raise
        except Exception as error:  # noqa: BLE001
            # A checkout without any date loses the order: a static one is better, and is counted.
            _log.exception("a model failed to answer %s", path)
            return self._fallback(asked, "failed", repr(error))

    def _fallback(self, asked: Any, reason: str, detail: str) -> bytes:
        found = fallback(asked, self._days, f"A static promise: {detail}")
        self._metrics.fell_back(reason)
        return orjson.dumps(found)

    async def health(self, _: Request) -> Response:
        model = self._held.model
        return _json(
            {
                "status": "fallback" if model is None else "ok",
                "model_version": _version(model),
                "model_as_of": None if model is None else model.as_of.isoformat(),
                "reloads": self._held.reloads,
                "failed_reloads": self._held.failures,
                "error": self._held.error,
            }
        )

    async def metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, _: Request) -> Response:
        return _json(openapi())

    async def checkout(self, _: Request) -> Response:
        return _json(checkout_facts(self._held.model, self._ways))


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None where it is too large."""
    parts: list[bytes] = []
    size, more, too_large = 0, True, False
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > _LARGEST_BODY:
            too_large = True
            parts.clear()
            # Whoever still sends does not listen yet: the rest is read and let go.
            if size > _MOST_LET_GO:
                break
        if not too_large:
            parts.append(part)
    return None if too_large else b"".join(parts)


def _page(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = resources.files("etapromise.serving").joinpath("page", name).read_bytes()
    headers: Mapping[str, str] = {"content-security-policy": _POLICY}

    async def endpoint(_: Request) -> Response:
        return Response(content, media_type=kind, headers=headers)

    return endpoint


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type=_JSON)


async def _refused(request: Request, error: Any) -> Response:
    """No such page, or no such method: with what there is."""
    said = (
        f"Found {request.method} {request.url.path}; expected "
        f"{', '.join(f'POST {path}' for path in ANSWERS)}, or GET of {', '.join(_LOOKED_AT)}. "
        "/openapi.json says what each takes."
    )
    return Response(_problem(said), error.status_code, error.headers, _JSON)


def _problem(error: EtapromiseError | str) -> bytes:
    return orjson.dumps(problem(ContractError(error) if isinstance(error, str) else error))


def _version(model: PromiseModel | None) -> str | None:
    return None if model is None else model.version
