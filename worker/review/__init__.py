"""What a person can do about dead letters."""
