"""What `flux bench` makes of what it measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.capacity import Rhythm, athletes_per_core, cores_for, cpu_seconds_of_a_day
from tests.benchmarks.chart import page
from tests.benchmarks.figures import Figures, Load, Round, figures_of, load_of, percentile
from tests.benchmarks.history import COMPARED, LONG_TO_SHORT, MANY_TO_FEW, Flat
from tests.benchmarks.layers import FRONT, Cell
from tests.benchmarks.load import CannotMeasure, check_wrk
from tests.benchmarks.processes import Processes, by_name, name_of
from tests.benchmarks.ramp import Step, knee, saturated
from tests.benchmarks.report import BEGIN, END, Machine, Results, write_readme


def step(connections: int, per_second: float, p99_ms: float = 50, errors: int = 0) -> Step:
    return Step(connections, per_second, 10, p99_ms, errors, {"gateway": 0.5, "envoy": 0.2}, 0.4)


def load(calls: int, errors: int = 0, p50_ms: float = 10) -> Load:
    return Load(calls, errors, 2.0, p50_ms, 4 * p50_ms)


FIGURES = [
    Figures(FRONT, operation, 1, 100, 2, 3, {"gateway": 1.0, "envoy": 0.5}, 0)
    for operation in ("overview", "preview", "start", "set", "complete")
]
STEPS = [step(1, 100), step(2, 200), step(4, 200)]
RESULTS = Results(
    "flux bench", "2026-03-02", Machine(2, "some processor", 8), "5 rounds", FIGURES, {"gateway": 80}, STEPS
)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.505, 51), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(share: float, value: int) -> None:
    assert percentile(range(100, 0, -1), share) == value
    assert percentile([7], share) == 7


def test_what_failed_is_counted_and_not_timed() -> None:
    one = load_of([0.010, 0.020, 0.030], errors=1, seconds=2)
    assert (one.calls, one.errors, one.p50_ms, one.p99_ms, one.per_second) == (4, 1, 20, 30, 1.5)
    assert load_of([], errors=3, seconds=1).per_second == 0


def test_figures_are_medians_and_only_answered_calls_share_the_processor_time() -> None:
    rounds = [
        Round(load(10, p50_ms=1), load(100), {"gateway": 0.1}),
        Round(load(10, p50_ms=9), load(120, errors=20), {"gateway": 0.2}),
        Round(load(10, p50_ms=2), load(400), {"gateway": 1.2, "envoy": 0.4}),
    ]
    found = figures_of("layer", "operation", rounds)
    assert (found.alone_p50_ms, found.per_second, found.errors) == (2, 50, 20)
    assert found.cpu_ms == pytest.approx({"gateway": 2, "envoy": 0})


@pytest.mark.parametrize(
    ("came", "words"),
    [(load(0), "no call was answered within 2 s"), (load(3, errors=3), "3 calls failed, and none was answered")],
)
def test_a_round_without_an_answer_is_no_measurement(came: Load, words: str) -> None:
    cell = Cell("layer", "operation", Processes([]), lambda connections, seconds: came)
    with pytest.raises(CannotMeasure, match=words):
        cell.measure(8, 2)


def test_what_was_under_way_at_the_end_counts_half() -> None:
    assert replace(load(96, errors=2), unfinished=12).worked_for == 100
    assert load(0).worked_for == 1


def test_the_knee_is_the_last_good_step_at_which_more_load_gives_more() -> None:
    steps = [step(1, 100), step(2, 180), step(4, 240), step(8, 241), step(16, 235)]
    assert knee(steps) == steps[2]


@pytest.mark.parametrize("bad", [step(4, 300, p99_ms=501), step(4, 300, errors=1)])
def test_the_knee_is_before_anything_fails_or_waits_too_long(bad: Step) -> None:
    steps = [step(1, 100), step(2, 180), bad, step(8, 400)]
    assert knee(steps) == steps[1]
    assert knee([bad]) is None


def test_a_dip_before_more_is_noise() -> None:
    steps = [step(1, 100), step(2, 95), step(4, 200)]
    assert knee(steps) == steps[2]


def test_what_is_saturated_is_a_process_or_the_machine_or_nothing() -> None:
    calm = step(1, 100)
    assert saturated(replace(calm, cores={"gateway": 0.97, "envoy": 0.3})) == "gateway, which takes 97% of a core"
    assert saturated(replace(calm, machine=0.99)).startswith("the machine, whose cores are 99% busy")
    assert saturated(calm).startswith("nothing: the busiest part is gateway")


def test_a_day_costs_what_its_calls_cost() -> None:
    assert cpu_seconds_of_a_day(FIGURES, Rhythm()) == pytest.approx({"gateway": 0.024, "envoy": 0.012})
    with pytest.raises(KeyError):
        cpu_seconds_of_a_day(FIGURES[:3], Rhythm())


def test_a_core_carries_as_many_athletes_as_it_has_time_for_at_the_peak() -> None:
    # Half of 0.036 s within 10,800 s of which 7,560 may be used.
    assert athletes_per_core(0.036, Rhythm()) == pytest.approx(420_000)
    assert cores_for(840_000, 0.036, Rhythm()) == pytest.approx(2)
    assert Rhythm().peak_per_second(24) == pytest.approx(12 / 10_800)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/usr/bin/python3", "-m", "gateway", "migrate", "serve"], "gateway"),
        (["python", "-m", "tests.benchmarks.echo", "/tmp/debt_svc.json"], "empty debt_svc"),  # noqa: S108
        (["/usr/bin/python3.13", "/usr/bin/host", "serve"], "host"),
        (["/some/where/envoy", "-c", "envoy.yaml"], "envoy"),
        (["postgres: flux_debt flux [local] idle"], "postgres"),
        (["/bin/postgres", "-D", "data"], "postgres"),
        ([], "?"),
    ],
)
def test_a_process_is_named_by_its_command(command: list[str], name: str) -> None:
    assert name_of(command) == name


def test_processes_of_one_name_are_one_part() -> None:
    assert by_name({("postgres", 1): 0.5, ("postgres", 2): 0.25, ("envoy", 3): 1}) == {"postgres": 0.75, "envoy": 1}


def test_the_readme_gets_the_figures_and_keeps_the_rest(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    flat = Flat("preview", 5, dict.fromkeys(COMPARED, 1.01))
    write_readme(replace(RESULTS, history=[flat]), readme)
    written = readme.read_text()
    write_readme(replace(RESULTS, history=[flat]), readme)
    assert readme.read_text() == written
    assert written.startswith(f"before\n{BEGIN}\nMeasured on 2026-03-02, on 2 cores of some processor")
    assert written.endswith(f"{END}\nafter\n")
    assert "old" not in written
    assert "| all | 36.0 ms | 420,000 |" in written
    assert "The knee is at 2 callers: 200 calls per second" in written
    assert "| preview | 1.01 | 1.01 | 1.01 |" in written


def test_a_readme_without_a_place_for_figures_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")
    with pytest.raises(ValueError, match="has no place for figures"):
        write_readme(RESULTS, readme)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    shown = page(RESULTS)
    assert shown.count("<svg") == 2
    assert "src=" not in shown
    assert "href=" not in shown


def test_without_a_load_generator_it_is_said_which_one_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotMeasure, match="apt install wrk"):
        check_wrk()


@pytest.mark.parametrize(("ratio", "is_good"), [(1.05, True), (1.06, False)])
def test_a_run_is_good_while_a_long_history_costs_no_more_than_promised(ratio: float, is_good: bool) -> None:
    flat = Flat("preview", 5, {LONG_TO_SHORT: ratio, MANY_TO_FEW: 1.10})
    assert replace(RESULTS, history=[flat]).is_good is is_good
