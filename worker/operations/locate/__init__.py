"""Where a file is, since when, and what it waits for: the answer of `imr explain`."""
