"""PDFs, read by a process of their own: its two ends, what they say to each other, its locks, and pages to text."""
