"""The engine: plan, ledger and produce."""
