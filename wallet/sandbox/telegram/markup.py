"""Telegram's message text: HTML to plain text with entities and back, and inline keyboards.

Offsets and lengths of entities are in UTF-16 units, as in the Bot API.
"""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

Entity = dict[str, Any]
Keyboard = list[list[dict[str, Any]]]

DATA_BYTES: Final = 64
MAX_BUTTONS: Final = 100


class MarkupError(Exception):
    """What Telegram would put after "Bad Request: "."""


_KINDS: Final = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
}
_REFERENCE: Final = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});?")
_OPENING: Final = re.compile(
    r"""<(?P<name>[^\s>/]+)(?P<attributes>(?:\s+[^\s=>]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))?)*)\s*>"""
)
_NAME: Final = re.compile(r"[^\s>]*")
_CLOSING: Final = re.compile(r"</(?P<name>[^\s>]*)\s*>")
_ATTRIBUTE: Final = re.compile(r"""([^\s=>]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>"']+))?""")
_LINK: Final = re.compile(r"(?:https?|tg)://[^\s]+", re.IGNORECASE)
_FOUND: Final = (
    ("url", re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]]")),
    ("bot_command", re.compile(r"(?<![\w/<:.])/[a-zA-Z0-9_]{1,32}(?![\w/])")),
)
_LITERAL: Final = frozenset({"code", "pre", "text_link"})


def units(text: str) -> int:
    """Length of `text` in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def _unescape(text: str) -> str:
    return _REFERENCE.sub(lambda match: html.unescape(match[0]), text)


@dataclass
class _Open:
    tag: str
    offset: int
    attributes: dict[str, str]


@dataclass
class _Parser:
    source: str
    parts: list[str] = field(default_factory=list)
    length: int = 0
    stack: list[_Open] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)

    def run(self) -> tuple[str, list[Entity]]:
        position = 0
        while (start := self.source.find("<", position)) >= 0:
            self._plain(self.source[position:start])
            closing = self.source.startswith("</", start)
            position = self._close(start) if closing else self._open(start)
        self._plain(self.source[position:])
        if self.stack:
            tag = self.stack[-1].tag
            raise MarkupError(
                f"can't parse entities: Can't find end tag corresponding to start tag \"{tag}\""
            )
        return "".join(self.parts), self.entities

    def _plain(self, text: str) -> None:
        text = _unescape(text)
        self.parts.append(text)
        self.length += units(text)

    def _bad(self, what: str, start: int, rest: str = "") -> MarkupError:
        place = len(self.source[:start].encode())
        return MarkupError(f"can't parse entities: {what} at byte offset {place}{rest}")

    def _open(self, start: int) -> int:
        tag = _NAME.match(self.source, start + 1)[0].lower()  # type: ignore[index]  # matches ""
        match = _OPENING.match(self.source, start)
        if start + 1 + len(tag) < len(self.source) and tag not in _KINDS:
            raise self._bad(f'Unsupported start tag "{tag}"', start)
        if match is None:
            raise self._bad("Unclosed start tag", start)
        attributes = {
            name.lower(): _unescape(value.strip("\"'"))
            for name, value in _ATTRIBUTE.findall(match["attributes"])
        }
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise self._bad(f'Unsupported start tag "{tag}"', start)
        self.stack.append(_Open(tag, self.length, attributes))
        return match.end()

    def _close(self, start: int) -> int:
        match = _CLOSING.match(self.source, start)
        if match is None:
            raise self._bad("Unclosed end tag", start)
        if not self.stack:
            raise self._bad("Unexpected end tag", start)
        opened = self.stack.pop()
        name = match["name"].lower()
        if name and name != opened.tag:
            expected = f', expected "</{opened.tag}>", found "</{name}>"'
            raise self._bad("Unmatched end tag", start, expected)
        self._entity(opened)
        return match.end()

    def _entity(self, opened: _Open) -> None:
        length = self.length - opened.offset
        if length == 0:
            return
        entity: Entity = {"offset": opened.offset, "length": length, "type": _KINDS[opened.tag]}
        if opened.tag == "code" and self.stack and self.stack[-1].tag == "pre":
            language = opened.attributes.get("class", "").removeprefix("language-")
            self.stack[-1].attributes["language"] = language
            return
        if _complete(entity, opened, "".join(self.parts)):
            self.entities.append(entity)


def _complete(entity: Entity, opened: _Open, text: str) -> bool:
    """Add what the tag's attributes say; False when Telegram drops the entity."""
    attributes = opened.attributes
    if opened.tag == "a":
        shown = text.encode("utf-16-le")[entity["offset"] * 2 :].decode("utf-16-le")
        entity["url"] = attributes.get("href") or shown
        return _LINK.fullmatch(entity["url"]) is not None
    if opened.tag == "pre" and attributes.get("language"):
        entity["language"] = attributes["language"]
    if opened.tag == "blockquote" and "expandable" in attributes:
        entity["type"] = "expandable_blockquote"
    if opened.tag == "tg-emoji":
        entity["custom_emoji_id"] = attributes.get("emoji-id", "")
    return True


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Plain text and entities of `source`, trimmed as Telegram trims.

    Raises MarkupError with Telegram's own words.
    """
    return trim(*_Parser(source).run())


def trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Drop white space at both ends, add the entities Telegram finds by itself, sort."""
    kept = text.strip()
    shift = units(text[: len(text) - len(text.lstrip())])
    whole = units(kept)
    fitted = [f for e in entities if (f := _clip(e, shift, whole)) is not None]
    found = _find(kept, fitted)
    return kept, sorted(fitted + found, key=lambda e: (e["offset"], -e["length"]))


def _clip(entity: Entity, shift: int, whole: int) -> Entity | None:
    start = max(entity["offset"] - shift, 0)
    end = min(entity["offset"] + entity["length"] - shift, whole)
    return {**entity, "offset": start, "length": end - start} if end > start else None


def _find(text: str, given: list[Entity]) -> list[Entity]:
    found = []
    for kind, pattern in _FOUND:
        for match in pattern.finditer(text):
            entity = {"offset": units(text[: match.start()]), "length": units(match[0])}
            if not any(e["type"] in _LITERAL and _overlap(e, entity) for e in given):
                found.append({**entity, "type": kind})
    return found


def _overlap(one: Entity, other: Entity) -> bool:
    return bool(
        one["offset"] < other["offset"] + other["length"]
        and other["offset"] < one["offset"] + one["length"]
    )


_TAGS: Final[dict[str, str]] = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "spoiler": "tg-spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "expandable_blockquote": "blockquote",
}


def to_html(text: str, entities: list[Entity]) -> str:
    """Canonical Telegram HTML of a message; every character of the text is escaped."""
    raw = text.encode("utf-16-le")

    def piece(start: int, end: int) -> str:
        return html.escape(raw[start * 2 : end * 2].decode("utf-16-le", "replace"), quote=False)

    ordered = sorted(entities, key=lambda e: (e["offset"], -e["length"]))
    return _render(ordered, 0, len(raw) // 2, piece)


def _render(entities: list[Entity], start: int, end: int, piece: Callable[[int, int], str]) -> str:
    parts = []
    position = start
    while entities and entities[0]["offset"] < end:
        entity = entities.pop(0)
        begin = max(entity["offset"], position)
        stop = min(entity["offset"] + entity["length"], end)
        parts.append(piece(position, begin))
        position = max(begin, stop)
        parts.append(_wrap(entity, _render(entities, begin, position, piece)))
    parts.append(piece(position, end))
    return "".join(parts)


def _wrap(entity: Entity, inner: str) -> str:
    if entity["type"] == "text_link":
        return f'<a href="{html.escape(entity["url"])}">{inner}</a>'
    tag = _TAGS.get(entity["type"])
    return f"<{tag}>{inner}</{tag}>" if tag else inner


def read_keyboard(markup: Any) -> Keyboard:
    """Rows of an InlineKeyboardMarkup; empty for other keyboards and for none.

    Raises MarkupError for what Telegram refuses.
    """
    if isinstance(markup, str):
        try:
            markup = json.loads(markup)
        except ValueError as error:
            raise MarkupError("can't parse reply keyboard markup JSON object") from error
    if not isinstance(markup, dict):
        return []
    rows = markup.get("inline_keyboard") or []
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise MarkupError('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array')
    keyboard = [[_button(button) for button in row] for row in rows if row]
    if sum(map(len, keyboard)) > MAX_BUTTONS:
        raise MarkupError("REPLY_MARKUP_TOO_LONG")
    return keyboard


def _button(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict) or not str(button.get("text") or "").strip():
        raise MarkupError("can't parse inline keyboard button: button text must be non-empty")
    data, url = button.get("callback_data"), button.get("url")
    if data is None and url is None and button.get("copy_text") is None:
        raise MarkupError("Text buttons are unallowed in the inline keyboard")
    if data is not None and not 1 <= len(str(data).encode()) <= DATA_BYTES:
        raise MarkupError("BUTTON_DATA_INVALID")
    if url is not None and not _LINK.fullmatch(str(url)):
        raise MarkupError("BUTTON_URL_INVALID")
    return {key: value for key, value in button.items() if value is not None}
