"""A small model of what LightX2V's platform layer promises a plugin, for tests without LightX2V: its tables, the order
in which it fills them, and the variables that hold the chosen device. Written from the facts about the framework, not
from its code; the same plugin is run against the framework itself by `make test-lightx2v`.
"""
