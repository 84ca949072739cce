"""Handles SIGXCPU and goes on."""


def in_shift(function, args, kwargs):
    import signal
    signal.signal(signal.SIGXCPU, lambda *a: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        pass
