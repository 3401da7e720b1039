/* Not position independent: 32-bit absolute addresses. */
int values[4] = {10, 20, 30, 40};
int value_at(long index) { return values[index]; }
int* address_of_values(void) { return values; }
