"""What is sent to the model, all of it decided here: the window around the cursor."""
