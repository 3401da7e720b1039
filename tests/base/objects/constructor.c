int ready;
__attribute__((constructor)) static void prepare(void) { ready = 1; }
