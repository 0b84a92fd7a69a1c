"""What ended runs have left, removed by rule."""
