"""What a service costs: list prices, times what its commands use."""
