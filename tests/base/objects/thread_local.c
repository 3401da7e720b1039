__thread int mine;
int touch(void) { return ++mine; }
