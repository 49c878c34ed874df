"""The encrypted keystore on disk, format version 2. Import its modules: this file stays light."""
