"""What people ask for: what became of each letter, decisions about dead letters, repairs, checks, where a file is."""
