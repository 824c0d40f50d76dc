"""The share: its folders, and the one way to walk through them, read from them and move files in them."""
