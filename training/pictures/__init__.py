"""What a model looked at: `heat_maps` of whole outputs, `animation` of one as it grows."""
