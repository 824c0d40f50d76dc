"""PDFs, read by a process of their own: its two ends, their protocol, its sandbox, and from pages to text."""
