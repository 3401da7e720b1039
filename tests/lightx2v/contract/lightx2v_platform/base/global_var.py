"""What the framework chose, once it has."""

AI_DEVICE = None
PLATFORM = None
