"""The routes that are ours; `/query/run` is served by Hayhooks."""
