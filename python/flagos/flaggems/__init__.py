"""FlagGems' operators on the flagos device: an unmodified flag_gems package, its kernels compiled by flagos.triton.

FlagGems asks for a vendor, a device module, tuning configurations and heuristics. This room gives it those of `flagos`,
by one import hook (import_hook), so that nothing of the package is changed on disk and none of it loads before it is
needed. What the routes call is in torch_fl.integration.
"""
