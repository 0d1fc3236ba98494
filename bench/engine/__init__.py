"""The question engine against its peers: stub services, load, windows, ratios."""
