"""A QR code in the terminal."""

import io


def terminal_qr(text: str) -> str:
    """Half-block characters, quiet zone included."""
    import segno  # noqa: PLC0415 - wanted by two commands only

    out = io.StringIO()
    segno.make(text, error="l").terminal(out, compact=True)
    return out.getvalue()
