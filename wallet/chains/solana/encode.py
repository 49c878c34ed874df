"""A payment as the bytes of a version-0 message, and back, without a second reading."""

from dataclasses import dataclass
from typing import Final

from solders.compute_budget import ID as BUDGET_PROGRAM
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import CompiledInstruction, Instruction
from solders.message import MessageV0, from_bytes_versioned, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.system_program import TransferParams, transfer

from wallet.chains.solana.fees import total_fee
from wallet.errors import ChainError, Code, bad_field
from wallet.ports.chain import Payment, Signed

MEMO_PROGRAM: Final = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
TRANSFER_INDEX: Final = 2  # after the two compute-budget instructions
MAX_TRANSACTION_BYTES: Final = 1_232
SIGNATURE_BYTES: Final = 64
_ADDRESS_LENGTHS: Final = range(32, 45)  # 32 bytes in base58
_ONE_SIGNATURE: Final = b"\x01"

# Lamports sent to any of these are lost: nobody holds a key for them.
_NOBODY: Final = frozenset(
    {
        "11111111111111111111111111111111",
        "1nc1nerator11111111111111111111111111111111",
        "AddressLookupTab1e1111111111111111111111111",
        "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL",
        "BPFLoader1111111111111111111111111111111111",
        "BPFLoader2111111111111111111111111111111111",
        "BPFLoaderUpgradeab1e11111111111111111111111",
        "ComputeBudget111111111111111111111111111111",
        "Config1111111111111111111111111111111111111",
        "Ed25519SigVerify111111111111111111111111111",
        "Feature111111111111111111111111111111111111",
        "KeccakSecp256k11111111111111111111111111111",
        "LoaderV411111111111111111111111111111111111",
        "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo",
        "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
        "metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s",
        "NativeLoader1111111111111111111111111111111",
        "Secp256r1SigVerify1111111111111111111111111",
        "So11111111111111111111111111111111111111112",
        "Stake11111111111111111111111111111111111111",
        "StakeConfig11111111111111111111111111111111",
        "Sysvar1111111111111111111111111111111111111",
        "SysvarC1ock11111111111111111111111111111111",
        "SysvarEpochRewards1111111111111111111111111",
        "SysvarEpochSchedu1e111111111111111111111111",
        "SysvarFees111111111111111111111111111111111",
        "Sysvar1nstructions1111111111111111111111111",
        "SysvarLastRestartS1ot1111111111111111111111",
        "SysvarRecentB1ockHashes11111111111111111111",
        "SysvarRent111111111111111111111111111111111",
        "SysvarRewards111111111111111111111111111111",
        "SysvarS1otHashes111111111111111111111111111",
        "SysvarS1otHistory11111111111111111111111111",
        "SysvarStakeHistory1111111111111111111111111",
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
        "Vote111111111111111111111111111111111111111",
        "ZkE1Gama1Proof11111111111111111111111111111",
        "ZkTokenProof1111111111111111111111111111111",
    }
)


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything a payload says. ``unit_price`` is in microlamports, ``amount`` in lamports."""

    payer: Pubkey
    to: Pubkey
    amount: int
    memo: str | None
    unit_limit: int
    unit_price: int
    blockhash: Hash

    @property
    def max_fee(self) -> int:
        return total_fee(self.unit_limit, self.unit_price)


def recipient(text: str) -> str:
    """The address as given, when somebody can hold its key; InputError(INVALID_ADDRESS) otherwise.

    Case is part of a base58 address and there is no checksum, so most wrong spellings still decode
    to 32 bytes. Half of all such bytes are no point of the curve: no key exists for them, and they
    are refused. Addresses that only a program controls are off the curve as well; paying those is
    not supported. An address whose letters have all one case lost it on its way: by chance fewer
    than one address of 10**9 looks like that.
    """
    address = _parsed(text)
    if text in _NOBODY:
        raise bad_field("to", "is a program or system account", Code.INVALID_ADDRESS)
    if text in (text.lower(), text.upper()):
        why = "has letters of one case only: capital and small letters are part of an address"
        raise bad_field("to", why, Code.INVALID_ADDRESS)
    if not address.is_on_curve():
        why = "has no private key: it is misspelt, or belongs to a program (not supported)"
        raise bad_field("to", why, Code.INVALID_ADDRESS)
    return text


def _parsed(text: str) -> Pubkey:
    try:
        # The length first: decoding base58 takes quadratic time.
        address = Pubkey.from_string(text) if len(text) in _ADDRESS_LENGTHS else None
    except ValueError:
        address = None
    if address is None or str(address) != text:
        raise bad_field("to", "must be 32 bytes in base58", Code.INVALID_ADDRESS)
    return address


def encode(terms: Terms) -> bytes:
    """The message bytes to sign: limit, price, transfer and, when there is one, the memo."""
    instructions = [
        set_compute_unit_limit(terms.unit_limit),
        set_compute_unit_price(terms.unit_price),
        transfer(
            TransferParams(from_pubkey=terms.payer, to_pubkey=terms.to, lamports=terms.amount)
        ),
    ]
    if terms.memo is not None:
        instructions.append(Instruction(MEMO_PROGRAM, terms.memo.encode(), []))
    payload = to_bytes_versioned(
        MessageV0.try_compile(terms.payer, instructions, [], terms.blockhash)
    )
    if len(with_signature(payload, bytes(SIGNATURE_BYTES))) > MAX_TRANSACTION_BYTES:
        raise bad_field("memo", "does not fit into one transaction", Code.INVALID_MEMO)
    return payload


def decode(payload: bytes) -> Terms:
    """Read a payload strictly; ChainError(PAYLOAD_MISMATCH) unless encode() gives the same bytes."""
    try:
        terms = _loosely(payload)
        if encode(terms) == payload:
            return terms
    except (ValueError, LookupError, TypeError, OverflowError):
        pass
    raise ChainError(Code.PAYLOAD_MISMATCH, "The payload is not a plain payment.")


def payment(payload: bytes) -> Payment:
    terms = decode(payload)
    return Payment(
        address=str(terms.payer),
        to=str(terms.to),
        amount=terms.amount,
        memo=terms.memo,
        max_fee=terms.max_fee,
        nonce=None,
    )


def attach(payload: bytes, signature: bytes) -> Signed:
    """The transaction; ChainError(PAYLOAD_MISMATCH) unless the payer's key signed these bytes."""
    payer = decode(payload).payer
    is_whole = len(signature) == SIGNATURE_BYTES
    typed = Signature.from_bytes(signature) if is_whole else Signature.default()
    if not typed.verify(payer, payload):
        raise ChainError(Code.PAYLOAD_MISMATCH, "The signature is not the payer's.")
    return Signed(raw=with_signature(payload, signature), hash=str(typed))


def detach(raw: bytes) -> tuple[bytes, str]:
    """The message and the signature it is known by; ChainError(PAYLOAD_MISMATCH) for anything else."""
    payload = without_signature(raw)
    decode(payload)
    signature = raw[len(_ONE_SIGNATURE) : len(_ONE_SIGNATURE) + SIGNATURE_BYTES]
    if with_signature(payload, signature) != raw:
        raise ChainError(Code.PAYLOAD_MISMATCH, "It does not carry one signature.")
    return payload, str(Signature.from_bytes(signature))


def with_signature(payload: bytes, signature: bytes) -> bytes:
    """The wire form: how many signatures, the signature, the message."""
    return _ONE_SIGNATURE + signature + payload


def without_signature(raw: bytes) -> bytes:
    return raw[len(_ONE_SIGNATURE) + SIGNATURE_BYTES :]


def _loosely(payload: bytes) -> Terms:
    """Pick the fields out of where encode() puts them; everything else is left to the comparison."""
    message = from_bytes_versioned(payload)
    keys = message.account_keys
    limit, price, pay, *rest = message.instructions
    lamports = _tail(pay, SYSTEM_PROGRAM, keys)
    memo = _tail(rest[0], MEMO_PROGRAM, keys, head=0).decode() if rest else None
    return Terms(
        payer=keys[0],
        to=keys[bytes(pay.accounts)[1]],
        amount=int.from_bytes(lamports, "little"),
        memo=memo,
        unit_limit=int.from_bytes(_tail(limit, BUDGET_PROGRAM, keys, head=1), "little"),
        unit_price=int.from_bytes(_tail(price, BUDGET_PROGRAM, keys, head=1), "little"),
        blockhash=message.recent_blockhash,
    )


def _tail(
    instruction: CompiledInstruction, program: Pubkey, keys: list[Pubkey], *, head: int = 4
) -> bytes:
    if keys[instruction.program_id_index] != program:
        raise ValueError("another program")
    return bytes(instruction.data)[head:]
