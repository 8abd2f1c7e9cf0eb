"""Our own small model: what it adds to the published network."""
