"""What the command line says to a call it cannot take, and to a directory that is not whole."""

import json
from pathlib import Path

import pytest

from tests.support.production import PASSWORD, installation
from tests.support.waiaas_sandbox import waiaas

pytestmark = pytest.mark.xdist_group("cli_sandbox")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("start", "--port", "99999"), "--port"),
        (("nonsense",), "nonsense"),
        (("session", "create"), "wallet"),
        (("status", "--colour"), "--colour"),
    ],
)
def test_a_call_that_cannot_be_understood_is_told_as_json_where_that_was_asked(
    words: tuple[str, ...], named: str
) -> None:
    plain, told = waiaas(*words), waiaas(*words, "--json")

    assert (plain.returncode, told.returncode) == (1, 1)
    assert named in plain.stderr.lower()
    answer = json.loads(told.stdout)
    assert (answer["code"], named in answer["message"].lower()) == ("VALIDATION_ERROR", True)
    assert answer["hint"]


def test_start_says_in_one_line_that_it_is_ready_and_doctor_names_a_broken_header(
    tmp_path: Path,
) -> None:
    with installation(tmp_path) as made:
        ready = made.starts_and_says("--json")
        assert ready == {"ready": True, **made.facts}
        made.stops()
        header = made.data_dir / "keystore" / "header.json"
        whole = header.read_bytes()

        header.write_bytes(whole.replace(b'"', b"'", 1))
        broken = made.runs("doctor", "--offline", "--json", proved=False, code=1)
        header.unlink()
        gone = made.runs("start", "--port", "0", "--json", code=3)

    findings = {one["check"]: one for one in json.loads(broken.stdout)["findings"]}
    assert findings["keystore"]["status"] == "FAIL"
    assert "header.json" in findings["keystore"]["message"]
    assert json.loads(gone.stdout)["code"] == "KEYSTORE_MISSING"
    assert PASSWORD not in broken.stdout + gone.stdout + gone.stderr
