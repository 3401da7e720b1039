"""The subcommands of `flagos`, one module each: `NAME`, `HELP`, `add_arguments(parser)` and `run(arguments) -> int`.

`run` prints to stdout and returns the exit status. Modules import torch inside of `run` only, so that `flagos --help`
and `flagos doctor` work where torch does not.
"""
