"""Answers with lists a hundred thousand deep."""


def in_shift(function, args, kwargs):
    answer = []
    for _ in range(10**5):
        answer = [answer]
    return answer
