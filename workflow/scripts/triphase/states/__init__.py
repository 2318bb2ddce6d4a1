"""Internal states of a checkpoint: the shape of its layers, and what can be read linearly from them."""
