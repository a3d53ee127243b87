"""What the layers above share: registry, threat models, games, views, records."""
