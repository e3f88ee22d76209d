"""API keys: what programs come with."""
