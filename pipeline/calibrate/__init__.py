"""The stage `calibrate`."""
