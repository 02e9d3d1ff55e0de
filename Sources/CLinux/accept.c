#include "CLinux.h"

#include <stddef.h>

// The flags are set by the call itself: O_NONBLOCK of a listener that several processes share says nothing about us.
int sheep_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }
