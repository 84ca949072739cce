"""Raises an exception with a hundred thousand causes, in a group, with notes, from a class that lies about its own."""


class Liar(type):
    __mro__ = property(lambda cls: [cls] * 10**6)
    __name__ = property(lambda cls: "Liar\x1b[31m" * 10**5)


class Odd(Exception, metaclass=Liar):
    pass


def in_shift(function, args, kwargs):
    error = Odd("first")
    for number in range(100_000):
        later = Odd(str(number))
        later.__cause__ = error
        error = later
    error.__notes__ = ["note"] * 10**5
    raise ExceptionGroup("many", [error] * 1000)
