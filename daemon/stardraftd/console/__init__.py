"""What is printed for people: foreign text made fit to be shown, lines and tables that fit a terminal."""
