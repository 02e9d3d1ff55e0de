#include "CLinux.h"

int sheep_name_thread(pthread_t thread, const char *name) { return pthread_setname_np(thread, name); }
