"""Baseline scores and the statistics behind them."""
