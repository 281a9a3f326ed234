"""How fast a model is on this machine, beside others, and whether the figures can be believed."""
