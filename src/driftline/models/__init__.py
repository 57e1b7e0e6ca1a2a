"""How interest is learned: baselines, latent factors, content, and sequence models."""
