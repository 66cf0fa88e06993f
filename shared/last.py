"""Answers that are given once more to who asks for the very same thing next: what is made for many at once is one."""

from collections.abc import Callable


def told_again[Asked, Answer](answer: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """The same function, which keeps its last answer, and gives it for the same object, not for one that is equal.

    For a function of one argument that nobody changes, with answers that nobody changes.
    """
    last: tuple[Asked, Answer] | None = None

    def told(asked: Asked) -> Answer:
        nonlocal last
        if last is None or last[0] is not asked:
            last = asked, answer(asked)
        return last[1]

    return told
