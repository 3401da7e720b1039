/* Tentative definitions, compiled with -fcommon. */
int shared_counter;
double shared_array[16] __attribute__((aligned(64)));
int grow(int by) { return shared_counter += by; }
double* array(void) { return shared_array; }
