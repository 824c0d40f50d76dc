"""Entrypoints: the command line and the supervisor. They alone read the environment, make clients, own the clock."""
