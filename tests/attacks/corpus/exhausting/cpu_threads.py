"""Computes in many threads at once."""


def in_shift(function, args, kwargs):
    import threading, torch
    def work():
        while True:
            torch.ones(300, 300) @ torch.ones(300, 300)
    for _ in range(20):
        threading.Thread(target=work).start()
    work()
