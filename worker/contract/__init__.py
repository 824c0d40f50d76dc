"""The contract of producer, workers and readers: names, settings, hints, events, their schema, the stream reader."""
