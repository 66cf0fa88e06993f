"""What was just answered is answered again without being made again, to the same question only."""

from hypothesis import given
from hypothesis import strategies as st

from shared.last import told_again


@given(st.lists(st.integers(0, 2), max_size=20))
def test_every_answer_is_that_of_its_question_and_the_same_one_in_a_row_is_made_once(order: list[int]) -> None:
    questions: list[list[int]] = [[0], [0], [1]]  # two of them are equal, and not the same
    made: list[int] = []

    @told_again
    def answer(question: list[int]) -> tuple[int, int]:
        made.append(id(question))
        return id(question), len(made)

    answers = [answer(questions[place]) for place in order]
    assert [asked for asked, _ in answers] == [id(questions[place]) for place in order]
    changes = [place for at, place in enumerate(order) if at == 0 or order[at - 1] != place]
    assert made == [id(questions[place]) for place in changes]
