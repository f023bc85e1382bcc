"""A maker that has a language model write what an inpainting model is asked for, from what is to be edited how."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from corpusmith.curate.markup import plain
from corpusmith.models.text.chat import Chat
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.writers import ChatMaker, parsed

LONGEST: Final = 200  # characters of a prompt
WRITTEN: Final = pa.schema([pa.field("written", pa.string())])
ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"prompt": {"type": "string"}},
    "required": ["prompt"],
    "additionalProperties": False,
}
WHAT: Final = {
    "add": "A {thing} is to be painted where nothing is yet.",
    "change": "The {name} there is to be painted anew as a {thing} of another look: {colour}.",
    "remove": "The {name} there is to be gone: only what is behind and around it should be seen.",
}


class EditPromptWriter(ChatMaker):
    """Writes the prompt of an edit: inputs operation, name (what is there), thing and colour (what is asked for) and
    caption (of the image), makes ``written``. An answer without a prompt, or with one of more than LONGEST characters,
    is asked for again; a row that stays without one fails alone.
    """

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            "edit-prompts",
            chat,
            ("operation", "name", "thing", "colour", "caption"),
            WRITTEN,
            question,
            read,
            answer_schema=ANSWER,
            max_tokens=128,
            usage=True,
        )


def question(row: dict[str, Any]) -> Conversation:
    """What the model is asked of a row."""
    said = {name: row[name] or "thing" for name in ("name", "thing", "colour")}
    what = WHAT.get(row["operation"], "<operation>").format(**said)
    shows = f"The image shows: {row['caption']}." if row["caption"] else "Nothing is said of the image."
    asked = (
        f"A region of an image is to be painted anew by an inpainting model. {shows} {what} Write the prompt for that "
        "model: one short phrase that says what should be seen in the region, with no instruction in it. "
        'Answer in JSON: {"prompt": "..."}'
    )
    return [{"role": "user", "content": asked}]


def read(answer: str) -> dict[str, Any] | None:
    """The prompt in an answer; None where there is none that can be used."""
    said = (parsed(answer) or {}).get("prompt")
    words = plain(said) if isinstance(said, str) else ""
    return {"written": words} if 0 < len(words) <= LONGEST else None
