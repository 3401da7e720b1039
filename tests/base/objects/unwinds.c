/* Compiled with -fexceptions: what the callback throws passes through. */
int call_back(int (*callback)(int), int value) { return callback(value) + 1; }
