"""What nodes' words are taken to mean."""

import pytest

from wallet.chains.evm.errors import (
    NodeError,
    Verdict,
    clean,
    reason_of,
    says_no_funds,
    verdict_on_send,
    would_fail,
)


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("already known", Verdict.KNOWN),
        ("AlreadyKnown", Verdict.KNOWN),
        ("transaction already imported", Verdict.KNOWN),
        ("Transaction with the same hash was already imported.", Verdict.KNOWN),
        ("known transaction: 0xabc", Verdict.KNOWN),
        ("nonce too low: next nonce 5, tx nonce 4", Verdict.STALE),
        ("Nonce too low", Verdict.STALE),
        ("insufficient funds for gas * price + value: balance 0, tx cost 1", Verdict.REFUSED),
        ("Insufficient funds for gas * price + value", Verdict.REFUSED),
        ("intrinsic gas too low: gas 20000, minimum needed 21000", Verdict.REFUSED),
        ("intrinsic gas too low", Verdict.REFUSED),
        ("max fee per gas less than block base fee", Verdict.REFUSED),
        ("invalid chain id for signer: have 1 want 31337", Verdict.REFUSED),
        ("max priority fee per gas higher than max fee per gas", Verdict.REFUSED),
        ("transaction underpriced: gas tip cap 0, minimum needed 1", Verdict.REFUSED),
        ("tx fee (2.10 ether) exceeds the configured cap (1.00 ether)", Verdict.REFUSED),
        ("rlp: expected List", Verdict.REFUSED),
        ("transaction type not supported", Verdict.REFUSED),
        ("typed transaction too short", Verdict.REFUSED),
        # Another payload of ours holds the nonce, or the node has no room: it may yet pass.
        ("replacement transaction underpriced", Verdict.UNCLEAR),
        ("future transaction tries to replace pending", Verdict.UNCLEAR),
        ("address already reserved", Verdict.UNCLEAR),
        ("nonce too high", Verdict.UNCLEAR),
        ("txpool is full", Verdict.UNCLEAR),
        ("rate limit reached", Verdict.UNCLEAR),
        ("internal error", Verdict.UNCLEAR),
        ("", Verdict.UNCLEAR),
    ],
)
def test_an_answer_to_sending_is_judged_by_its_words(message: str, verdict: Verdict) -> None:
    assert verdict_on_send(message) is verdict


def test_a_contract_s_own_reason_is_told() -> None:
    data = "0x08c379a0" + f"{32:064x}" + f"{6:064x}" + b"paused".hex().ljust(64, "0")
    for shape in (data, {"data": data}):
        assert reason_of(NodeError("execution reverted", code=3, data=shape)) == "paused"
    panic = "0x4e487b71" + f"{0x11:064x}"
    assert "0x11" in reason_of(NodeError("execution reverted", code=3, data=panic))


@pytest.mark.parametrize("data", [None, "0x", "0x08c379a0", "0x08c379a0zz", 7, {"data": None}])
def test_without_a_readable_reason_the_node_s_words_are_told(data: object) -> None:
    assert reason_of(NodeError("execution reverted", data=data)) == "execution reverted"


def test_what_fails_everywhere_is_told_from_a_node_s_own_trouble() -> None:
    assert would_fail(NodeError("whatever", code=3))
    assert would_fail(NodeError("execution reverted: paused"))
    assert would_fail(NodeError("EVM error OutOfGas"))
    assert not would_fail(NodeError("header not found"))
    assert not would_fail(NodeError("rate limited", code=-32005))
    assert says_no_funds(NodeError("insufficient funds for transfer"))
    assert not says_no_funds(NodeError("header not found"))


def test_a_stranger_s_text_becomes_one_short_printable_line() -> None:
    assert clean("a\nb\x1b[31m\u202ec") == "a b [31m c"
    assert len(clean("x" * 10_000)) == 200
