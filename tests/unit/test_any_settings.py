"""Whatever stands in config.toml or the environment: settings that mean what was written, or one CONFIG_ERROR."""

import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from wallet.errors import Code, InputError
from wallet.setting_keys import Key
from wallet.settings import NETWORK_KEYS, SECTIONS, Settings, load

# Spelled the same in TOML and in JSON: no quotes, backslashes or control characters.
PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters='"\\\x7f'),
    max_size=30,
)
WORDS = st.sampled_from(
    ["https://a.example", "info", "STRONG", "0.01", "ethereum", "solana", "x.db", "latest"]
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [0, 1, 60, 3100, 65_535, 65_536, 2**31]
)
SCALARS = st.booleans() | NUMBERS | st.floats(allow_nan=True) | PLAIN | WORDS
VALUES = SCALARS | st.lists(WORDS | PLAIN | NUMBERS, max_size=3)
KNOWN = sorted({key for keys in SECTIONS.values() for key in keys} | set(NETWORK_KEYS))
KEYS = st.sampled_from(KNOWN) | st.text(
    st.sampled_from("abcdefghijklmnopqrstuvwxyz_"), min_size=1, max_size=12
)
NAMES = st.sampled_from(
    [*SECTIONS, "networks", "networks.my-chain", "networks.ethereum-mainnet", "networks.solana-devnet", "prices.assets",
     'prices.assets."my-chain/native"', "sesion"]
)  # fmt: skip
TABLES = st.dictionaries(NAMES, st.dictionaries(KEYS, VALUES, max_size=5), max_size=4)
PLACES = {
    f"WAIAAS_{section}_{key}".upper(): spec
    for section, keys in SECTIONS.items()
    for key, spec in keys.items()
}
VARIABLES = st.sampled_from(sorted(PLACES))
WHOLE = st.sampled_from(sorted(name for name, spec in PLACES.items() if spec.kind is int))


def spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(spelled(one) for one in value)}]"
    return repr(value)


def text_of(tables: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {spelled(value)}" for key, value in table.items())]
    return "\n".join(lines)


def read(content: bytes, environ: Mapping[str, str] | None = None) -> Settings | InputError:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.toml").write_bytes(content)
        try:
            return load(Path(folder), environ or {})
        except InputError as error:
            return error


def require_told(found: Settings | InputError) -> None:
    """An error names each place and why, and nothing else is raised."""
    if isinstance(found, InputError):
        assert found.code is Code.CONFIG_ERROR
        assert found.details["issues"]
        assert all(one["path"] and one["message"] for one in found.details["issues"])


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf[daemon]")
@example(b"[daemon]\nport = " + b"9" * 5000)
@example(b"a = " + b"[" * 5000 + b"]" * 5000)
def test_any_bytes_are_settings_or_one_error(content: bytes) -> None:
    require_told(read(content))


@given(TABLES)
def test_any_tables_are_settings_that_mean_what_was_written_or_one_error(
    tables: dict[str, dict[str, Any]],
) -> None:
    found = read(text_of(tables).encode())
    require_told(found)
    if isinstance(found, Settings):
        for name, table in tables.items():
            for key, value in table.items():
                if name in SECTIONS:
                    require_meant(getattr(found, name), key, value, SECTIONS[name][key])


def require_meant(section: Any, key: str, value: Any, spec: Key) -> None:
    """What was accepted is what counts, and of the kind and within the bounds that the key has."""
    assert key in {one.name for one in fields(section)}
    kept = getattr(section, key)
    if spec.kind is int:
        assert type(value) is int
        assert kept == value
        assert spec.low <= kept <= spec.high
    elif spec.kind is str:
        assert kept == value
        assert not spec.choices or kept in spec.choices


@given(
    st.dictionaries(
        VARIABLES, st.text(st.characters(exclude_characters="\0"), max_size=40), max_size=4
    )
)
def test_any_variables_are_settings_or_one_error(environ: dict[str, str]) -> None:
    require_told(read(b"", environ))


@given(WHOLE, st.integers(-10, 70_000))
def test_a_number_in_a_variable_counts_as_in_the_file(name: str, number: int) -> None:
    _, section, key = name.split("_", 2)
    section, key = section.lower(), key.lower()
    in_file = read(f"[{section}]\n{key} = {number}".encode())
    in_variable = read(b"", {name: str(number)})
    if isinstance(in_file, Settings) and isinstance(in_variable, Settings):
        assert getattr(getattr(in_file, section), key) == number
        assert getattr(getattr(in_variable, section), key) == number
    else:
        assert isinstance(in_file, InputError)
        assert isinstance(in_variable, InputError)
