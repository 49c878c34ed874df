"""Import aiogram without building the schemas of its five hundred types, most of which are never used here.

aiogram's types ask pydantic to build them late, then build all of them at import: seconds, and tens of
megabytes. Here that sweep is skipped, and each type is built when it is first used.
"""

import sys
from importlib import import_module, metadata
from typing import Any, Final

from pydantic import BaseModel

TESTED: Final = "3.31."


def load(*, plain: bool = False) -> bool:
    """Import aiogram, lean unless ``plain`` or its version is unknown here; True when it was lean.

    Call it before anything imports aiogram; later calls change nothing.
    """
    if plain or "aiogram" in sys.modules or not metadata.version("aiogram").startswith(TESTED):
        import_module("aiogram")
        return False
    rebuild: Any = BaseModel.__dict__["model_rebuild"]
    BaseModel.model_rebuild = classmethod(lambda *_, **__: None)  # type: ignore[assignment, method-assign]
    try:
        types = import_module("aiogram.types")
    finally:
        BaseModel.model_rebuild = rebuild  # type: ignore[method-assign]
    names = {name: getattr(types, name) for name in types.__all__}
    names["Default"] = import_module("aiogram.client.default").Default

    def first_use(cls: type[BaseModel], /, **options: Any) -> bool | None:
        options["_types_namespace"] = names
        return rebuild.__func__(cls, **options)  # type: ignore[no-any-return]

    base = import_module("aiogram.methods.base")
    for root in (types.TelegramObject, base.TelegramMethod, base.Response):
        root.model_rebuild = classmethod(first_use)
    return True
