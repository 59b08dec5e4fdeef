"""What operators may ask of the features."""
