"""`python -m wallet`: the same as `waiaas`."""

from wallet.cli import main

if __name__ == "__main__":
    main()
