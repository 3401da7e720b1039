"""Times of flagos as ratios against a rival that runs in turn with it: `python -m benchmarks --help`."""
