"""The whole stack on one machine: started, watched, ended."""
