"""Queue to stream: workers read, parse, validate and publish Independent Medical Review letters."""
