"""Programs depend on codes, so none may change or go; new ones are added to the list on purpose."""

from pathlib import Path

from wallet import errors
from wallet.domain.facts import Fact
from wallet.errors import Code, WalletError

SNAPSHOT = Path(__file__).with_name("error_codes.txt").read_text().split()


def test_the_codes_are_those_of_the_list() -> None:
    assert sorted(code.value for code in Code) == SNAPSHOT


def test_a_code_is_its_name() -> None:
    assert all(code.name == code.value for code in Code)
    assert all(fact.name == fact.value for fact in Fact)


def test_errors_are_one_family_of_nine() -> None:
    family = {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, WalletError) and found is not WalletError
    }
    assert len(family) == 9
    assert all(found.__doc__ for found in family)
