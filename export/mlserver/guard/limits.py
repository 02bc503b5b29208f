"""The limits of a server, and the errors that say which one a request exceeds.

What costs much per element is counted before MLServer converts it: 1 MB of empty inputs takes it
9 s to refuse, during which nobody gets an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlserver.errors import MLServerError

BAD, FORBIDDEN, TOO_LARGE, TOO_MANY, NOT_THERE, STOPPING, TOO_LATE = (
    400,
    403,
    413,
    429,
    501,
    503,
    504,
)
_ID_LENGTH = 128
_PARTS = 8  # inputs, outputs, dimensions of a shape
_PARAMETERS = 64


class Refused(MLServerError):
    """A request that a limit refuses; `status_code` is that of HTTP."""


def _option(default: float, meaning: str) -> Any:
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Limits:
    """What one request and all of them together may ask for."""

    texts: int = _option(128, "texts in a request")
    text_bytes: int = _option(8192, "bytes of a text, in UTF-8")
    request_bytes: int = _option(1 << 20, "bytes of a request")
    seconds: float = _option(20.0, "seconds for a request to arrive, and again to be answered")
    in_flight: int = _option(256, "requests that are answered or wait at the same time")
    connections: int = _option(512, "REST connections at the same time")
    stop_seconds: float = _option(25.0, "seconds in which a stop finishes requests in flight")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ValueError(f"`{name}` must be positive. Received: {name}={value}")

    def check_id(self, name: str) -> None:
        """Refuse an id that cannot be a header of the response."""
        if len(name) > _ID_LENGTH or not (name.isascii() and name.isprintable()):
            raise Refused(
                f"The `id` must have at most {_ID_LENGTH} printable ASCII characters. "
                f"Received: {len(name)} characters, {name[:32]!r}",
                BAD,
            )

    def check_texts(self, sizes: Iterable[int]) -> None:
        """Refuse too many texts, or too long ones.

        Args:
            sizes: The bytes of each text; read up to the first that is refused.
        """
        for number, size in enumerate(sizes, start=1):
            if number > self.texts:
                raise Refused(f"A request must have at most {self.texts} texts.", BAD)
            if size > self.text_bytes:
                raise Refused(
                    f"Text {number} must have at most {self.text_bytes} bytes. Received: {size}",
                    BAD,
                )

    def check_bytes(self, size: int) -> None:
        """Refuse a body that is too large."""
        if size > self.request_bytes:
            raise Refused(f"A request must have at most {self.request_bytes} bytes.", TOO_LARGE)


def check_parts(what: str, parts: Sequence[Any]) -> None:
    """Refuse a request whose parts take long to convert because there are so many."""
    most = _PARAMETERS if what == "parameters" else _PARTS
    if len(parts) > most:
        raise Refused(f"There must be at most {most} {what}. Received: {len(parts)}", BAD)
