"""aiogram's HTTP session, which also reads when Telegram says that it is."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from aiogram.client.session.aiohttp import AiohttpSession
from aiohttp import ClientSession, TraceConfig


class DatedSession(AiohttpSession):
    """``heard`` is told the Date header of each answer, as epoch milliseconds."""

    def __init__(self, heard: Callable[[int], None], **options: Any) -> None:
        super().__init__(**options)
        self._heard = heard
        self._trace = TraceConfig()
        self._trace.on_request_end.append(self._ended)
        self._trace.freeze()

    async def create_session(self) -> ClientSession:
        session = await super().create_session()
        if self._trace not in session.trace_configs:
            session.trace_configs.append(self._trace)
        return session

    async def _ended(self, _session: Any, _context: Any, end: Any) -> None:
        at = date_of(end.response.headers.get("Date"))
        if at is not None:
            self._heard(at)


def date_of(header: str | None) -> int | None:
    """Epoch milliseconds of an HTTP date; None for none, or for what is no date."""
    try:
        return None if header is None else round(parsedate_to_datetime(header).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None
