"""What producer, workers and readers agree on: names, settings, hints, events and their schema."""
