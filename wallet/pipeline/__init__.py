"""From a request to a settled payment: admission, execution, settlement, recovery."""
