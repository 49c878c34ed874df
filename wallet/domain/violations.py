"""What the books can be wrong about, by name."""

from dataclasses import dataclass
from enum import StrEnum


class Invariant(StrEnum):
    """Names are for ever: the owner's programs and the docs depend on them."""

    UNREADABLE = "UNREADABLE"  # a column holds what no version writes
    FACTS_WITHOUT_ROW = "FACTS_WITHOUT_ROW"  # traces of a transaction that has no row
    FACTS_PATH = "FACTS_PATH"  # its facts are no path of the table of moves
    FACTS_END = "FACTS_END"  # its facts end in another status than the row's
    FACTS_ROW = "FACTS_ROW"  # the row is not what was asked for and decided
    CONSENT = "CONSENT"  # consent, its fact and the owner's answer do not agree
    RESERVATION_MISSING = "RESERVATION_MISSING"  # open, and nothing is set aside
    RESERVATION_LEFT = "RESERVATION_LEFT"  # ended, and money is still set aside
    RESERVATION_WRONG = "RESERVATION_WRONG"  # set aside, and not what the row needs
    RESERVATION_WITHOUT_ROW = "RESERVATION_WITHOUT_ROW"  # set aside for no transaction
    BUCKET = "BUCKET"  # a window holds another sum than its settled payments
    SESSION_COUNT = "SESSION_COUNT"  # a session counts other payments than its rows
    SESSION_SPENT = "SESSION_SPENT"  # a session counts other spending than its rows
    SESSION_LIMIT = "SESSION_LIMIT"  # a session spent more than it may
    ATTEMPT_MISSING = "ATTEMPT_MISSING"  # signed, and no attempt is stored
    ATTEMPT_UNDECIDED = "ATTEMPT_UNDECIDED"  # an attempt of a payment that was never signed
    ATTEMPT_NUMBER = "ATTEMPT_NUMBER"  # attempts are not numbered from one without gaps
    ATTEMPT_NONCE = "ATTEMPT_NONCE"  # siblings do not share their nonce
    ATTEMPT_PLACE = "ATTEMPT_PLACE"  # an attempt of another network or address than the wallet's
    ATTEMPT_COST = "ATTEMPT_COST"  # an attempt can take more than was set aside
    NONCE_SHARED = "NONCE_SHARED"  # two transactions hold one nonce of one address
    HASH = "HASH"  # the row names a hash that no attempt of it has
    FEE = "FEE"  # row and fact name different fees, or one above the ceiling
    CHAIN_MISSING = "CHAIN_MISSING"  # confirmed, and the chain does not have it
    CHAIN_MOVED = "CHAIN_MOVED"  # ended unpaid, and the chain has a payment of it
    CHAIN_FEE = "CHAIN_FEE"  # the chain took another fee than was recorded
    CHAIN_PAYLOAD = "CHAIN_PAYLOAD"  # the signed bytes are another payment than the row's
    CHAIN_BALANCE = "CHAIN_BALANCE"  # a wallet holds another sum than its books say


@dataclass(frozen=True, slots=True)
class Violation:
    """One finding. ``subject`` is the id of what it concerns: a transaction, session, wallet or bucket."""

    invariant: Invariant
    subject: str
    message: str
