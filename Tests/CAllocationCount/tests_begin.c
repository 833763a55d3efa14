// Lets the programs of the tests prepare before `main` what the environment asks for.
extern void rainbow_tests_begin(void);

__attribute__((constructor)) static void begin(void) { rainbow_tests_begin(); }
