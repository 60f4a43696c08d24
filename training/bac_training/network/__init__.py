"""The U-Net: layers, losses, metrics, checkpoints, and what runs it."""
