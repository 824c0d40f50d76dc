"""The two streams after they were written: what may be trimmed, and whether their readers get everything."""
