"""The live page: a view of one station on the loopback; every address starts with a random token."""
