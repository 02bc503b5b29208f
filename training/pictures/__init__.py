"""Draw attention weights: `heat_maps` of whole outputs, `animation` of an output as it grows."""
