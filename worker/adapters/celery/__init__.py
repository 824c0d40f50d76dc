"""Celery: its configuration, hints sent, and what is put right in its transport and its consumer."""
