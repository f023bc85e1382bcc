"""What is made: a folder per corpus, a file per stage."""
