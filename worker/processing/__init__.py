"""What becomes of a batch of claimed letters: sequence, decisions and wording, and the ports that they need."""
