"""Celery: its configuration, sending hints, and corrections to its transport and its consumer."""
