"""The share: its folders, and the only code that walks through them, reads from them and moves files in them."""
