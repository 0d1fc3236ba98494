"""The proof that nothing leaves a sealed stack: read from its objects, and tried on its cluster."""
