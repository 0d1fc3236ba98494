"""How the pipelines are served: Hayhooks in durable mode behind our own guard."""
