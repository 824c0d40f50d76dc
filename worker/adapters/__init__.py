"""Adapters to what surrounds the processing of letters: the share, Redis, Celery, logs. They implement the ports."""
