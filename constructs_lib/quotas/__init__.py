"""What AWS allows a service to be, counted at synthesis instead of met at deployment."""
