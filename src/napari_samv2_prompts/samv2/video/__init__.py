"""Objects through the frames of a film: what is remembered, which of it is read, what is kept."""
