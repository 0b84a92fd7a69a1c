"""What the stages share, whatever kind of data they work on."""
