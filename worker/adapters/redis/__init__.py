"""Redis: one small record per letter, changed by scripts that are safe to repeat; the two streams; the server itself.

Each script (`scripts/*.lua`) lists the keys that it touches, and says what a crash before or after it leaves behind.
"""
