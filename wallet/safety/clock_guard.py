"""Watches the host's clock: a leap stops releases, windows and codes until the world agrees again.

The wall clock is compared with the monotonic one, which no time server and no operator sets. What the world says
of the time comes from the Date header of Telegram's answers and from block times.
"""

from wallet.domain.clock import ClockEvent, ClockTrust, agree, difference, next_trust
from wallet.errors import Code, UnavailableError
from wallet.ports.world import Clock


class ClockGuard:
    """Believes the clock until something speaks against it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._trust = ClockTrust.TRUSTED
        self._reason = ""
        self._anchor()

    @property
    def is_trusted(self) -> bool:
        """Compares both clocks once more; True unless the time of day is in doubt."""
        now, expected = self._clock.now(), self._expected()
        if not agree(now, expected):
            way = "forward" if now > expected else "back"
            self.doubt(f"the host's clock leapt {way} by {difference(now, expected)}")
        return self._trust is ClockTrust.TRUSTED

    @property
    def reason(self) -> str:
        """Why it is in doubt; empty while it is not."""
        return self._reason

    def require(self) -> None:
        """Raise CLOCK_UNTRUSTED, retryable, while the time of day is in doubt."""
        if self.is_trusted:
            return
        raise UnavailableError(
            Code.CLOCK_UNTRUSTED,
            f"The time is in doubt: {self._reason}.",
            retryable=True,
            hint="It settles by itself once Telegram or a chain agrees with the host's clock. Otherwise the owner "
            "sets the clock right, or says that it is: waiaas clock --trust.",
        )

    def doubt(self, reason: str) -> None:
        """Something speaks against the clock; the first reason stays."""
        if self._trust is ClockTrust.TRUSTED:
            self._reason = reason
        self._trust = next_trust(self._trust, ClockEvent.DOUBT)

    def believe(self) -> None:
        """The world, or the owner on the host, says that the clock is right."""
        self._trust = next_trust(self._trust, ClockEvent.AGREE)
        self._reason = ""
        self._anchor()

    def hear(self, at: int, source: str) -> None:
        """What ``source`` says that the time is now (epoch ms); it is believed to the second."""
        now = self._clock.now()
        if agree(now, at):
            self.believe()
        else:
            self.doubt(f"{source} says a time that differs by {difference(now, at)}")

    def hear_block(self, at: int, source: str, *, is_public: bool) -> None:
        """The time of a chain's newest block, which is never later than now on a public chain.

        An old block says nothing: nobody may have needed one. A private chain may count time as it likes.
        """
        now = self._clock.now()
        if agree(now, at):
            if not self.is_trusted:
                self.believe()
        elif is_public and at > now:
            self.doubt(f"{source} has a block that is {difference(now, at)} ahead")

    def _anchor(self) -> None:
        self._wall, self._monotonic = self._clock.now(), self._clock.monotonic()

    def _expected(self) -> int:
        return self._wall + round((self._clock.monotonic() - self._monotonic) * 1000)
