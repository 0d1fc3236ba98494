"""Sign-in and sign-out of browsers; only where an identity provider is set up for them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.access.browser import Browser
from app.access.door import BadToken, Door
from app.access.identity import caller, visit
from app.access.login import ATTEMPT_SECONDS, CALLBACK, BadReturn, Login, Returned
from app.problems import Problem

HOME = "/v1/me"
LONGEST = 4096


def login_router(login: Login, browser: Browser, door: Door) -> APIRouter:
    """`door` counts who brings back what cannot be right, beside those who guess keys."""
    router = APIRouter(tags=["access"], default_response_class=Response)

    @router.get("/login", status_code=303, summary="Sign in at the identity provider")
    async def begin(
        to: Annotated[str, Query(description="a path of this service to go to then")] = HOME,
    ) -> Response:
        browser.address_of(to)
        address, sealed = await login.begin(to)
        response = RedirectResponse(address, 303)
        browser.give(response, browser.login_cookie, sealed, ATTEMPT_SECONDS)
        return response

    @router.get(CALLBACK, status_code=303, summary="Come back from the identity provider")
    async def finish(
        request: Request,
        state: Annotated[str, Query(max_length=LONGEST)] = "",
        code: Annotated[str, Query(max_length=LONGEST)] = "",
        iss: Annotated[str | None, Query(max_length=LONGEST)] = None,
        error: Annotated[str | None, Query(max_length=LONGEST)] = None,
    ) -> Response:
        headers = dict(request.scope["headers"])
        address = request.client.host if request.client else ""
        returned = Returned(state=state, code=code, issuer=iss, error=error)
        sealed = browser.cookie(headers, browser.login_cookie)
        if not login.began(returned, sealed):
            door.listen(address)
        try:
            found = await login.finish(returned, sealed)
        except (BadReturn, BadToken):
            door.guessed(address)
            raise Problem(
                400,
                "sign-in-failed",
                "The sign-in failed",
                f"It begins and ends in one browser, within {ATTEMPT_SECONDS // 60} minutes, and "
                f"once; begin again at {browser.url}/login",
            ) from None
        noted = visit()
        noted.identity = browser.known(found.subject, found.groups)
        response = RedirectResponse(browser.address_of(found.to), 303)
        session = browser.begin(headers, response, noted.identity, found.ends)
        noted.object = {"session": session}
        return response

    @router.post("/logout", status_code=303, summary="End the session, here and at the provider")
    async def leave(request: Request) -> Response:
        if caller().via != "session":
            raise Problem(
                409, "no-session", "There is no session to end", "Keys are revoked, tokens end"
            )
        response = RedirectResponse(await login.way_out() or f"{browser.url}/", 303)
        visit().object = {"session": browser.end(dict(request.scope["headers"]), response)}
        return response

    return router
