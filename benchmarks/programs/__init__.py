"""The measured programs. Each runs in a fresh process."""
