"""A run over a manifest, shard by shard, that can be killed at any moment and resumed."""
