"""Places where LightX2V or a library of its leaves no way to register something: one file each, with when it can go."""
