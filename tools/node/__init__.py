"""Images that no reachable registry has: the kind node, the Python base, the registry."""
