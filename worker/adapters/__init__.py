"""What surrounds the processing of letters: the share, Redis, Celery, logs. Each implements a port."""
