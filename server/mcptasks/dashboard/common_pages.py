"""What is not about tasks: signing in and out, light and dark, files that pages load, health."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from mcptasks.dashboard.rights import Viewer
from mcptasks.dashboard.sign_in import TOKEN_COOKIE, TokenSignIn, client_of
from mcptasks.dashboard.visits import THEME_COOKIE, THEMES, PageError, Services

STALE_SECONDS = 60
A_YEAR = 365 * 24 * 3600


class CommonPages:
    """The pages, as handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.router = APIRouter()
        for path, handler, method in (
            ("/", self.home, "GET"),
            ("/healthz", self.healthz, "GET"),
            ("/readyz", self.readyz, "GET"),
            ("/static/{digest}/{name}", self.static, "GET"),
            ("/favicon.ico", self.icon, "GET"),
            ("/theme", self.theme, "POST"),
            ("/sign-in", self.sign_in_page, "GET"),
            ("/sign-in", self.sign_in, "POST"),
            ("/sign-out", self.sign_out, "POST"),
        ):
            self.router.add_api_route(path, handler, methods=[method], response_model=None)

    async def home(self) -> Response:
        """Where the bare address leads."""
        return RedirectResponse("/tasks", HTTPStatus.SEE_OTHER)

    async def healthz(self) -> Response:
        """Whether the process lives."""
        return JSONResponse({"status": "ok"})

    async def readyz(self) -> Response:
        """Whether it can show what is."""
        index = self._services.index
        if not index.synced:
            return JSONResponse({"status": "waiting for the Kubernetes API"}, 503)
        if index.unreachable_seconds > STALE_SECONDS:
            status = f"out of sync with the Kubernetes API for {index.unreachable_seconds:.0f} s"
            return JSONResponse({"status": status}, 503)
        return JSONResponse({"status": "ok"})

    async def static(self, digest: str, name: str) -> Response:
        """A file that pages load. The path changes with the content."""
        found = self._services.renderer.static.get(name)
        if found is None:
            raise PageError(HTTPStatus.NOT_FOUND, "There is no such file", f"{name} is none of the dashboard's files.")
        headers = {"cache-control": f"public, max-age={A_YEAR}, immutable"} if f"/{digest}/" in found.path else {}
        return Response(found.data, media_type=found.media_type, headers=headers)

    async def icon(self) -> Response:
        """The icon, for browsers that ask without being told of it."""
        return await self.static("", "icon.svg")

    async def theme(self, request: Request) -> Response:
        """Remember light or dark for this browser, and go back."""
        viewer = await self._services.sign_in.viewer(request)
        visit = self._services.visit_of(request, viewer or Viewer())
        form = await visit.form()
        theme = form.get("theme", [""])[0]
        response = RedirectResponse(own_path(form.get("back", ["/"])[0]), HTTPStatus.SEE_OTHER)
        visit.set_cookie(response, THEME_COOKIE, theme if theme in THEMES else "", A_YEAR)
        return response

    async def sign_in_page(self, request: Request) -> Response:
        """The form for a token, or why there is none."""
        visit = self._services.visit_of(request, Viewer())
        back = own_path(request.query_params.get("back", "/"))
        status = HTTPStatus.OK if self._services.sign_in.asks_for_token else HTTPStatus.UNAUTHORIZED
        return visit.page("sign_in.html", status=status, back=back, wrong=False)

    async def sign_in(self, request: Request) -> Response:
        """Take a token, and keep it sealed in the browser."""
        services = self._services
        visit = services.visit_of(request, Viewer())
        form = await visit.form()
        back = own_path(form.get("back", ["/"])[0])
        token = "".join(form.get("token", [""])[0].split())
        known = services.sign_in
        if (
            not isinstance(known, TokenSignIn)
            or not token
            or not await known.user_of(token, client_of(request, known.trusted))
        ):
            return visit.page("sign_in.html", status=HTTPStatus.UNAUTHORIZED, back=back, wrong=True)
        response = RedirectResponse(back, HTTPStatus.SEE_OTHER)
        visit.set_cookie(response, TOKEN_COOKIE, services.seals.sealed(token))
        return response

    async def sign_out(self, request: Request) -> Response:
        """Forget the token."""
        visit = await self._services.visit(request)
        await visit.form()
        response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
        visit.set_cookie(response, TOKEN_COOKIE, "", 0)
        return response


def own_path(text: str) -> str:
    """The text where it is a path of this site, else the home page: nobody is sent elsewhere."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or not text.startswith("/") or text.startswith(("//", "/\\")):
        return "/"
    return text if text.isprintable() and "\\" not in text else "/"


def sign_in_path(request: Request) -> str:
    """Where to sign in, and come back from."""
    query = f"?{request.url.query}" if request.url.query else ""
    back = f"{request.url.path}{query}" if request.method == "GET" else "/"
    return f"/sign-in?back={quote(back, safe='')}"
