"""A log that cannot be written stops nothing."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from wallet.cli.log_stream import LossyStream
from wallet.cli.serve import log_to_stderr


@pytest.fixture
def set_back() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("set_back")
def test_a_full_disk_takes_no_line_and_nobody_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The device answers every write with "no space left"."""
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        log_to_stderr("info")
        for number in range(1_000):
            structlog.get_logger("x").info("signed", number=number)
        with pytest.raises(OSError, match="No space left"):
            full.flush()  # it is what it says
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_a_reader_that_is_gone_is_not_missed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as pipe:
        stream = LossyStream(pipe)
        assert stream.write("stopped\n") == len("stopped\n")
        stream.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), pipe.fileno())


def test_a_line_that_can_be_written_is(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        stream = LossyStream(file)
        stream.write("stopped\n")
        stream.flush()
        assert (tmp_path / "log").read_text() == "stopped\n"
