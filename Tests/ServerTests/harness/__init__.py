"""What the tests stand on: processes, a web server, providers, and clients of every protocol on the way of a token."""
