"""What is reported while a pretrained model goes over all rows, before the first round."""

from worker.messages import RunnerMessage
from worker.timing.preparation import PreparationReporter


def test_the_share_of_the_rows_is_reported_at_most_four_times_a_second() -> None:
    reported = list[RunnerMessage]()
    times = iter([0.0, 0.0, 0.1, 0.3, 0.3])
    told = PreparationReporter(reported.append, phase="pruning", rows=1000, clock=lambda: next(times))

    for _ in range(3):
        told(100)

    assert [message.model_dump()["phase_fraction"] for message in reported] == [0.1, 0.3]
    assert {message.model_dump()["phase"] for message in reported} == {"pruning"}


def test_rows_that_are_gone_over_twice_are_no_more_than_all() -> None:
    reported = list[RunnerMessage]()

    PreparationReporter(reported.append, phase="loading", rows=10)(15)

    assert reported[0].model_dump()["phase_fraction"] == 1.0
