// The record layouts and constants of the FastCGI specification, from libfcgi-dev. Nothing is linked.
#include <fastcgi.h>
