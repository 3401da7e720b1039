"""Empty, as a package."""
