"""The metrics, one kind a file: each says which scores it gives and measures them."""
