// The Linux calls that Swift's Glibc module leaves out.
#ifndef SHEEP_CLINUX_H
#define SHEEP_CLINUX_H

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

// accept4 and SOCK_* flags need _GNU_SOURCE, which must not be defined in a header that Swift imports.
int sheep_accept(int listener);

#endif
