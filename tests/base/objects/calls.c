/* Code that needs each common relocation: calls and data of other objects, constants, a jump table, data, bss. */
extern double scale(double value, double factor);
extern double outside_factor;
extern int missing_hook(int value) __attribute__((weak));

static const double kTable[8] = {0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5};
static const char* const kNames[3] = {"zero", "one", "two"};
double counter = 40.0;
double zeros[1000];
static int calls;

double scaled(int index) { return scale(kTable[index & 7], outside_factor); }

double count(double by) { return counter += by; }

double sum_of_zeros(void) {
  double sum = 0;
  for (int i = 0; i < 1000; ++i) sum += zeros[i] += 1;
  return sum;
}

const char* name_of(int index) { return kNames[index]; }

int has_hook(void) { return missing_hook != 0; }

int choose(int which, int value) {
  ++calls;
  switch (which) {
    case 0: return value + 1;
    case 1: return value * 3;
    case 2: return value - 7;
    case 3: return value ^ 21;
    case 4: return value / 2;
    case 5: return value << 4;
    default: return calls;
  }
}

int (*chooser(void))(int, int) { return choose; }
