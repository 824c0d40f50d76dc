"""Share to queue: discovers letters in the inbox, claims each by one rename, and sends hints to the workers."""
