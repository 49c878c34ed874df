"""The values of the Telegram stand-in: people, photos, messages and refusals."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wallet.sandbox.telegram.markup import Entity, Keyboard, to_html

Json = dict[str, Any]
Sender = Literal["bot", "owner", "stranger"]


class RefusedError(Exception):
    """An answer of the Bot API with `ok` false."""

    def __init__(self, status: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def bad_request(what: str) -> RefusedError:
    return RefusedError(400, f"Bad Request: {what}")


@dataclass(frozen=True)
class User:
    id: int
    first_name: str
    username: str
    is_bot: bool = False

    def as_json(self) -> Json:
        shown: Json = {
            "id": self.id,
            "is_bot": self.is_bot,
            "first_name": self.first_name,
            "username": self.username,
        }
        return shown if self.is_bot else {**shown, "language_code": "en"}

    def as_chat(self) -> Json:
        return {
            "id": self.id,
            "first_name": self.first_name,
            "username": self.username,
            "type": "private",
        }


@dataclass(frozen=True)
class Photo:
    file_id: str
    content: bytes
    media_type: str
    width: int
    height: int

    def as_json(self) -> Json:
        return {
            "file_id": self.file_id,
            "file_unique_id": self.file_id[:16],
            "width": self.width,
            "height": self.height,
            "file_size": len(self.content),
        }


@dataclass(frozen=True)
class Draft:
    """The content of a message; `text` is the caption when there is a photo."""

    text: str = ""
    entities: tuple[Entity, ...] = ()
    keyboard: Keyboard = field(default_factory=list)
    photo: Photo | None = None
    reply_to: int | None = None


@dataclass(frozen=True)
class Message:
    message_id: int
    chat: User
    author: User
    sender: Sender
    date: int
    draft: Draft
    edit_date: int | None = None
    edited: bool = False  # what a person sees: changing only the buttons does not show

    def with_text(self, text: str) -> "Message":
        return replace(self, draft=replace(self.draft, text=text, entities=()))

    def as_chat_json(self) -> Json:
        draft = self.draft
        return {
            "message_id": self.message_id,
            "text": draft.text,
            "html": to_html(draft.text, list(draft.entities)),
            "entities": list(draft.entities),
            "date": self.date,
            "edited": self.edited,
            "from": self.sender,
            "buttons": [[_shown_button(button) for button in row] for row in draft.keyboard],
            "photo": f"/chat/photos/{draft.photo.file_id}" if draft.photo else None,
            "size": [draft.photo.width, draft.photo.height] if draft.photo else None,
            "reply_to": draft.reply_to,
        }


def _shown_button(button: Json) -> Json:
    keys = ("url", "style", "copy_text")
    shown = {key: button[key] for key in keys if key in button}
    return {"text": button["text"], "data": button.get("callback_data"), **shown}
