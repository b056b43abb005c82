"""URLs of webhooks, checked when a job is accepted."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError

from songloom.server.files.addresses import RefusedError
from songloom.server.files.fetch import Fetcher


async def check_webhook(fetcher: Fetcher, url: str, place: tuple[str, ...]) -> None:
    """Refuse a request whose webhook could never be sent; an empty one passes.

    Args:
        fetcher: knows the rules.
        url: of the webhook.
        place: of the URL in the request, such as `("body", "webhook")`.

    Raises:
        RequestValidationError: the rules forbid the URL.
    """
    if not url:
        return
    try:
        await fetcher.check(url)
    except RefusedError as error:
        raise RequestValidationError(
            [{"loc": place, "msg": str(error), "type": "value_error"}]
        ) from None
