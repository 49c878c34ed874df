"""Talking to a node: batches, hex, and answers that are no answers."""

import logging
from collections.abc import AsyncIterator

import pytest

from tests.unit.chains.evm.scripted_node import ScriptedNode, error, scripted_node
from wallet.chains.evm.errors import NodeError
from wallet.chains.evm.node import Node, quantity, required
from wallet.chains.rpc import EndpointError


@pytest.fixture
async def server() -> AsyncIterator[ScriptedNode]:
    async with scripted_node() as running:
        yield running


@pytest.fixture
async def node(server: ScriptedNode) -> AsyncIterator[Node]:
    node = Node(server.url, 5)
    yield node
    await node.close()


@pytest.mark.parametrize("shuffled", [False, True])
async def test_a_batch_is_one_request_and_answered_in_the_order_of_its_calls(
    server: ScriptedNode, node: Node, shuffled: bool
) -> None:
    server.shuffles_batches = shuffled
    server.answers(one="0x1", two=error("no"), three=None)
    first, second, third = await node.batch([("one", []), ("two", []), ("three", [])])
    assert first == "0x1"
    assert isinstance(second, NodeError)
    assert third is None
    assert server.requests == 1


async def test_a_node_without_batches_is_asked_call_by_call_from_then_on(
    server: ScriptedNode, node: Node
) -> None:
    server.takes_batches = False
    server.answers(one="0x1", two=error("no"))
    for _ in range(2):
        first, second = await node.batch([("one", []), ("two", [])])
        assert first == "0x1"
        with pytest.raises(NodeError, match="no"):
            required(second)
    assert server.requests == 1 + 2 + 2


async def test_a_long_batch_is_cut_into_pieces(server: ScriptedNode, node: Node) -> None:
    server.results["echo"] = lambda params: params[0]
    answers = await node.batch([("echo", [str(number)]) for number in range(120)])
    assert answers == [str(number) for number in range(120)]
    assert server.requests == 3


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", b"3", b"[]", b'[{"id":0,"result":1}]', b"\xff", b'{"id":0}', b"[1,2]"],
)
async def test_nonsense_is_no_answer(server: ScriptedNode, node: Node, raw: bytes) -> None:
    server.raw = raw
    with pytest.raises(EndpointError):
        await node.call("eth_blockNumber")
    with pytest.raises(EndpointError):
        [required(answer) for answer in await node.batch([("a", []), ("b", [])])]


async def test_an_endless_answer_is_cut_off(server: ScriptedNode, node: Node) -> None:
    server.raw = b'"' + b"x" * (17 * 1024 * 1024) + b'"'
    with pytest.raises(EndpointError, match="too long"):
        await node.call("eth_blockNumber")


@pytest.mark.parametrize("status", [301, 307, 401, 429, 500, 502])
async def test_an_answer_that_is_not_ok_is_none_and_redirects_are_not_followed(
    server: ScriptedNode, node: Node, status: int
) -> None:
    server.status = status
    server.headers = {"Location": server.url}
    with pytest.raises(EndpointError, match=str(status)):
        await node.call("eth_blockNumber")
    assert server.requests == 1


async def test_connections_are_kept_open_and_the_url_is_never_logged(
    server: ScriptedNode, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers(eth_blockNumber="0x1")
    for _ in range(5):
        await node.call("eth_blockNumber")
    await node.close()
    assert len(server.connections) == 1
    assert "secret-key" not in caplog.text


@pytest.mark.parametrize("text", ["0x0", "0x1f", "0xFF", "0x00ff"])
def test_a_quantity_is_read(text: str) -> None:
    assert quantity(text) == int(text, 16)


@pytest.mark.parametrize(
    "value",
    [None, 1, "1", "0x", "", "0x_1", "0x1_0", "-0x1", "0x 1", "0xg", "0x+1", [], "0x\uff11"],
)
def test_what_is_no_quantity_is_refused(value: object) -> None:
    with pytest.raises(EndpointError):
        quantity(value)
