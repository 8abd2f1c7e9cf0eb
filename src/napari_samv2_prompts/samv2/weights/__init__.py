"""Which models exist, where their weights lie, and how weights come into a network."""
