"""The chat side of the Telegram stand-in: what the visitor's browser and the tests talk to."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from wallet.sandbox.telegram.markup import trim, units
from wallet.sandbox.telegram.offer import Offer
from wallet.sandbox.telegram.state import Fault, Telegram
from wallet.sandbox.telegram.values import Draft, Json, Message, Sender

TEXT_UNITS: Final = 4096
KEEPALIVE_SECONDS: Final = 5
FAULTS: Final = frozenset({"429", "409", "502", "delay", "drop_answer"})
POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def _given(request: Request) -> Json:
    # A page elsewhere cannot send this type without asking first, so no form on the web can post here.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "the body must be application/json")
    try:
        given = await request.json()
    except ValueError as error:
        raise HTTPException(400, "the body is not JSON") from error
    if not isinstance(given, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return given


def _sender(name: Any) -> Sender:
    match name or "owner":
        case "owner":
            return "owner"
        case "stranger":
            return "stranger"
        case _:
            raise HTTPException(400, 'as must be "owner" or "stranger"')


class Chat:
    """Routes under /chat."""

    def __init__(self, telegram: Telegram, offer: Offer) -> None:
        self._telegram, self._offer = telegram, offer
        self._page = (
            resources.files("wallet.sandbox.telegram").joinpath("chat.html").read_text("utf-8")
        )

    def routes(self) -> list[Route]:
        return [
            Route("/chat", self.page),
            Route("/chat/info", self.info),
            Route("/chat/messages", self.messages),
            Route("/chat/messages", self.write, methods=["POST"]),
            Route("/chat/press", self.press, methods=["POST"]),
            Route("/chat/delete", self.delete, methods=["POST"]),
            Route("/chat/sessions", self.sessions, methods=["POST"]),
            Route("/chat/events", self.events),
            Route("/chat/photos/{file_id}", self.photo),
            Route("/chat/fault", self.fault, methods=["POST"]),
            Route("/chat/calls", self.calls),
        ]

    async def page(self, _: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = {
            "content-security-policy": POLICY.format(nonce=nonce),
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
        }
        page = re.sub(r"<(script|style)>", rf'<\1 nonce="{nonce}">', self._page)
        return Response(page, media_type="text/html", headers=headers)

    async def info(self, request: Request) -> Response:
        return JSONResponse(self._info(_sender(request.query_params.get("as"))))

    def _info(self, sender: Sender) -> Json:
        telegram, person = self._telegram, self._telegram.people[sender]
        scopes = (f"chat:{person.id}", "all_private_chats", "default")
        lists = (telegram.commands.get((scope, "")) for scope in scopes)
        return {
            "bot": {"name": telegram.bot.first_name, "username": telegram.bot.username},
            "person": {"id": person.id, "name": person.first_name},
            "commands": next(filter(None, lists), []),
            "description": telegram.about.get("description", ""),
            "polling": telegram.polled,
            "offer": self._offer.state if sender == "owner" else None,
        }

    # ---- messages

    async def messages(self, request: Request) -> Response:
        person = self._telegram.people[_sender(request.query_params.get("as"))]
        return JSONResponse([m.as_chat_json() for m in self._telegram.history(person.id)])

    async def write(self, request: Request) -> Response:
        given = await _given(request)
        words = given.get("text")
        if not isinstance(words, str):
            raise HTTPException(400, "text must be a string")
        text, entities = trim(words, [])
        if not text or units(text) > TEXT_UNITS:
            raise HTTPException(400, f"text must have 1 to {TEXT_UNITS} characters")
        draft = Draft(text=text, entities=tuple(entities))
        message = self._telegram.says(_sender(given.get("as")), draft)
        return JSONResponse(message.as_chat_json(), 201)

    async def delete(self, request: Request) -> Response:
        """A person deletes a message for both sides; Telegram does not tell the bot."""
        message = self._message(await _given(request))
        self._telegram.delete(message)
        return JSONResponse({"deleted": message.message_id})

    def _message(self, given: Json) -> Message:
        message = self._telegram.messages.get(given.get("message_id", 0))
        if message is None:
            raise HTTPException(404, "no such message")
        return message

    async def press(self, request: Request) -> Response:
        """Press a button, also one that the message no longer has.

        Answers the toast as ``answer``; it is null without a text, and when ``answered`` says that the bot
        did not answer in time. With ``stale_text`` the callback's message carries that text, as a forged
        client would send.
        """
        given = await _given(request)
        message, data = self._message(given), given.get("data")
        if not isinstance(data, str) or not data:
            raise HTTPException(400, "data must be a string")
        stale = given.get("stale_text")
        shown = message if stale is None else message.with_text(str(stale))
        sender = _sender(given.get("as"))
        answer = await self._telegram.press(sender, self._telegram.as_json(shown), data)
        unanswered: Json = {"answer": None, "alert": False}
        return JSONResponse({**(answer or unanswered), "answered": answer is not None})

    async def sessions(self, request: Request) -> Response:
        """Take the sandbox's offer of new demo sessions, and answer once they are there; no token is shown.

        409 when none is offered (GET /chat/info says so), 502 with the reason when they could not be made.
        """
        if _sender((await _given(request)).get("as")) != "owner":
            raise HTTPException(403, "only the owner is offered sessions")
        await self._offer.take()
        return JSONResponse({"made": True}, 201)

    async def photo(self, request: Request) -> Response:
        photo = self._telegram.photos.get(request.path_params["file_id"])
        if photo is None:
            raise HTTPException(404, "no such photo")
        headers = {"x-content-type-options": "nosniff"}
        return Response(photo.content, media_type=photo.media_type, headers=headers)

    # ---- live changes

    async def events(self, request: Request) -> Response:
        stream = self._stream(_sender(request.query_params.get("as")))
        headers = {"cache-control": "no-store"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def _stream(self, sender: Sender) -> AsyncIterator[str]:
        with self._telegram.listening(self._telegram.people[sender].id) as queue:
            yield _event("info", self._info(sender))
            while True:
                try:
                    async with asyncio.timeout(KEEPALIVE_SECONDS):
                        change = await queue.get()
                except TimeoutError:
                    change = ("info", {})
                if change is None:
                    return
                event, content = change
                yield _event(event, self._info(sender) if event == "info" else content)

    # ---- for tests

    async def fault(self, request: Request) -> Response:
        given = await _given(request)
        kind = str(given.get("kind"))
        if kind == "clear":
            self._telegram.faults.clear()
        elif kind in FAULTS:
            self._telegram.faults.append(_fault(kind, given))
        else:
            raise HTTPException(400, f"kind must be clear or one of {', '.join(sorted(FAULTS))}")
        return JSONResponse({"planted": len(self._telegram.faults)})

    async def calls(self, _: Request) -> Response:
        return JSONResponse(list(self._telegram.calls))


def _fault(kind: str, given: Json) -> Fault:
    try:
        return Fault(
            kind=kind,
            method=given.get("method"),
            count=int(given.get("count", 1)),
            retry_after=int(given.get("retry_after", 1)),
            seconds=float(given.get("seconds", 0.2)),
        )
    except (TypeError, ValueError) as error:
        raise HTTPException(400, "count, retry_after and seconds are numbers") from error


def _event(name: str, content: Json) -> str:
    return f"event: {name}\ndata: {json.dumps(content)}\n\n"
