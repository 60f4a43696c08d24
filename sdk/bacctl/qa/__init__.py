"""Quality assurance: a phantom through the whole server, judged and followed over time."""
