"""What a person should look at before anything is built."""
