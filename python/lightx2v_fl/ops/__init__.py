"""The operators as LightX2V builds and calls them. What they compute is in lightx2v_fl.kernels."""
