"""Where a file is, since when, and what it waits for: what `imr explain` tells."""
