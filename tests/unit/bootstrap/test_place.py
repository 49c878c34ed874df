"""What a data directory of one kind refuses."""

from pathlib import Path

import pytest

from wallet.bootstrap.place import SHORTEST_WAIT, require_honest_wait
from wallet.bootstrap.start import Launch, serve
from wallet.errors import Code, InputError
from wallet.settings import load


def test_a_wait_that_nobody_can_use_is_for_sandboxes_only() -> None:
    require_honest_wait(0, "sandbox")
    require_honest_wait(SHORTEST_WAIT, "production")
    with pytest.raises(InputError) as caught:
        require_honest_wait(SHORTEST_WAIT - 1, "production")
    assert caught.value.code is Code.CONFIG_ERROR


async def test_a_production_daemon_does_not_start_with_one(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[policy]\nloosening_wait_seconds = 0\n")
    (tmp_path / "kind").write_text("production\n")
    assert await serve(Launch(load(tmp_path, {}), "production")) == 1
