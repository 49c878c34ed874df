"""What every source of prices must do, whatever stands behind it. Subclasses bring the source."""

from abc import ABC, abstractmethod

from tests.support.prices import ETH, NOW, ODD, SOL
from wallet.domain.prices import Price, PriceGap
from wallet.ports.prices import Prices

NOWHERE = "nowhere/native"


class PriceSuite(ABC):
    """ETH costs 3000.25 dollars and SOL 150; ODD is configured, but its provider does not know it."""

    @abstractmethod
    async def break_down(self) -> None:
        """From now on the provider answers nothing."""

    @abstractmethod
    async def answer_nonsense(self) -> None:
        """From now on the provider answers something that is no price."""

    async def test_prices_come_with_their_time(self, prices: Prices) -> None:
        found = await prices.quotes([ETH, SOL])

        ether, sol = found[ETH], found[SOL]
        assert isinstance(ether, Price)
        assert isinstance(sol, Price)
        assert ether.value * 100 == 300025 * 10**-ether.exponent
        assert sol.value == 150 * 10**-sol.exponent
        assert (ether.at, sol.at) == (NOW, NOW)

    async def test_every_asset_gets_its_own_answer(self, prices: Prices) -> None:
        found = await prices.quotes([ETH, NOWHERE])

        assert found.keys() == {ETH, NOWHERE}
        assert isinstance(found[ETH], Price)
        assert found[NOWHERE] is PriceGap.UNKNOWN

    async def test_what_the_provider_does_not_know_has_no_price(self, prices: Prices) -> None:
        found = await prices.quotes([ODD, ETH])

        assert isinstance(found[ODD], PriceGap)
        assert isinstance(found[ETH], Price)

    async def test_nothing_is_asked_for_nothing(self, prices: Prices) -> None:
        assert await prices.quotes([]) == {}

    async def test_a_provider_that_is_away_is_a_gap_and_no_error(self, prices: Prices) -> None:
        await self.break_down()

        assert await prices.quotes([ETH, NOWHERE]) == {
            ETH: PriceGap.UNAVAILABLE,
            NOWHERE: PriceGap.UNKNOWN,
        }

    async def test_nonsense_is_a_gap_and_no_error(self, prices: Prices) -> None:
        await self.answer_nonsense()

        found = await prices.quotes([ETH])

        assert found[ETH] is PriceGap.UNAVAILABLE
