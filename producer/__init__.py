"""Share to queue: notices letters in the inbox, claims each by one rename, and sends hints to the workers."""
