"""The languages providers speak, read into and written from the nouns of a call."""

from comptroller.dialects.routes import dialect_for, is_model_route

__all__ = ["dialect_for", "is_model_route"]
