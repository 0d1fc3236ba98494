"""Qdrant Edge behind the part of Qdrant's REST interface that qdrant-client needs here."""
