"""Discovery: the files of the inbox, found by events and by scans, and when each is complete."""
