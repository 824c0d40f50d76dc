"""What became of each letter: one small record in Redis, changed by scripts that are safe to repeat.

`model` holds the values and the port, `redis` the adapter; each script (`*.lua`) draws its keys and says what a crash
before and after it leaves.
"""
