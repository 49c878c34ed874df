"""Questions to the Bot API that need no bot: is the token right, is a webhook set, what time is it there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

OFFICIAL: Final = "https://api.telegram.org"
SECONDS: Final = 8.0
UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True)
class BotAnswer:
    """``status`` None: not reachable. ``server_time`` is the answer's Date, epoch seconds."""

    status: int | None
    result: Mapping[str, Any]
    server_time: float | None = None

    @property
    def is_wrong_token(self) -> bool:
        return self.status in (UNAUTHORIZED, 404)


def ask(token: str, method: str, base: str | None = None) -> BotAnswer:
    """One call; never raises, and never shows the token."""
    url = urlsplit(base or OFFICIAL)
    make = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = make(url.hostname or "", url.port, timeout=SECONDS)
    try:
        connection.request("GET", f"{url.path.rstrip('/')}/bot{token}/{method}")
        response = connection.getresponse()
        body = json.loads(response.read())
        return BotAnswer(
            response.status, body.get("result") or {}, http_date(response.getheader("Date"))
        )
    except (OSError, HTTPException, ValueError):
        return BotAnswer(None, {})
    finally:
        connection.close()


def http_date(text: str | None) -> float | None:
    """An HTTP Date as epoch seconds."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
