"""The figures once more, counted one by one in plain Python over histories that somebody made up."""
