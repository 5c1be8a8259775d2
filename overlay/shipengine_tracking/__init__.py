"""Subscribe packages to ShipEngine's tracking updates."""
