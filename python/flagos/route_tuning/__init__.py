"""Routes by measurement: `flagos routes tune` times an operator on each of its targets and writes a conf file.

In reading order: arguments (the operators' arguments, as data), calls (calls of an overload, made of them), enlarging
(the same call over more elements), measuring (targets in turn), results (what was measured, on disk), conf (what
follows from it). The tests of FlagGems' operators take their calls from here too.
"""
