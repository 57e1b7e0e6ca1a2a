"""Driftline: a recommender that follows people as their interests change."""

__version__ = "0.1.0"
