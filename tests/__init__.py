"""Tests that run the device: conformance/, models/, integration/. Run from the root of the project."""
