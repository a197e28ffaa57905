"""The nouns that every floor shares; standard library only (pydantic in settings)."""
