"""The one shape of every error."""

from typing import Annotated, Any

from pydantic import Field

from wallet.errors import Code
from wallet.wire.shape import View


class ErrorView(View):
    """Programs read ``code``; ``retryable`` is true only where repeating cannot pay twice."""

    code: Code
    message: str
    retryable: bool
    request_id: str
    details: Annotated[
        dict[str, Any] | None, Field(description="For denials: rule, limit, used, remaining, …")
    ] = None
    hint: Annotated[str | None, Field(description="What to do next.")] = None
