"""Physical-world robustness testing for deployed image models."""

__version__ = "0.1.0"
