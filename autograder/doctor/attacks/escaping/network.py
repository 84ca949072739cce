"""Opens sockets of all families to send what it sees, or to fetch an answer (otter, Gradescope)."""

import socket
import urllib.request


for family in range(1, 46):
    for kind in (1, 2, 3, 5):
        attempt(f"socket {family} {kind}", lambda: socket.socket(family, kind))
attempt("socketpair", socket.socketpair)
attempt("name", lambda: socket.getaddrinfo("example.org", 80))
attempt("page", lambda: urllib.request.urlopen("http://127.0.0.1:80", timeout=1))
attempt("a socket of the channel", lambda: socket.socket(fileno=3).getpeername())
