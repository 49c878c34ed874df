"""A daemon that dies in the middle of a call leaves its stand-ins nothing to complain about."""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response


async def _nobody_listens(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


HUNG_UP = {ClientDisconnect: _nobody_listens}
