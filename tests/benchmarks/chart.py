"""One page with pictures of a run, that needs nothing else: SVG in HTML."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from tests.benchmarks import ramp
from tests.benchmarks.figures import Figures
from tests.benchmarks.report import Results, words_of_the_knee

COLOURS = (
    "#4269d0",
    "#efb118",
    "#ff725c",
    "#6cc5b0",
    "#3ca951",
    "#ff8ab7",
    "#a463f2",
    "#97bbf5",
    "#9c6b4e",
    "#9498a0",
    "#b4a7d6",
    "#7a7a33",
)
WIDTH, LEFT, BAR, GAP = 900, 300, 16, 6
PLOT = 300
STYLE = "body{font:14px system-ui;max-width:960px;margin:2rem auto;padding:0 1rem}svg{width:100%;height:auto}"


def page(results: Results) -> str:
    """The whole page."""
    body = [f"<h1>flux bench</h1><p>{escape(f'{results.measured}, {results.machine}; {results.how}')}.</p>"]
    if results.layers:
        body += ["<h2>Processor time of a call, in ms</h2>", _bars(results.layers)]
    if results.ramp:
        body += [
            "<h2>More and more at once</h2>",
            _curve(results.ramp),
            f"<p>{escape(words_of_the_knee(results.ramp))}",
        ]
    return f"<!doctype html><meta charset=utf-8><title>flux bench</title><style>{STYLE}</style>{''.join(body)}\n"


def _bars(figures: Sequence[Figures]) -> str:
    """A bar for each operation, made of the parts that worked for it."""
    names = list(dict.fromkeys(name for one in figures for name in one.cpu_ms))
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    longest = max(one.all_cpu_ms for one in figures) or 1
    rows = [_row(one, index * (BAR + GAP), (WIDTH - LEFT - 60) / longest, colours) for index, one in enumerate(figures)]
    legend = "".join(f'<span style="color:{colour}">■</span> {escape(name)}&ensp;' for name, colour in colours.items())
    return f"<p>{legend}</p>{_svg(len(figures) * (BAR + GAP), ''.join(rows))}"


def _row(one: Figures, top: float, scale: float, colours: Mapping[str, str]) -> str:
    return "".join(_parts_of(one, top, scale, colours))


def _parts_of(one: Figures, top: float, scale: float, colours: Mapping[str, str]) -> Iterator[str]:
    middle = top + BAR - 4
    yield _text(LEFT - 8, middle, f"{one.layer}: {one.operation}", "end")
    left = float(LEFT)
    for name, milliseconds in one.cpu_ms.items():
        width = milliseconds * scale
        title = f"<title>{escape(name)} {milliseconds:.3f} ms</title>"
        yield f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colours[name]}">{title}</rect>'
        left += width
    yield _text(left + 6, middle, f"{one.all_cpu_ms:.2f}")


def _curve(steps: Sequence[ramp.Step]) -> str:
    """Calls per second over callers, and the p99 below it; the knee is marked."""
    found = ramp.knee(steps)
    shapes: list[str] = []
    pictures = (
        ("calls per second", [step.per_second for step in steps], COLOURS[0]),
        ("p99, ms", [step.p99_ms for step in steps], COLOURS[2]),
    )
    for index, (title, values, colour) in enumerate(pictures):
        top, highest = index * (PLOT + 50), max(values) or 1
        points = [
            (60 + (WIDTH - 120) * number / max(len(steps) - 1, 1), top + PLOT - (PLOT - 40) * value / highest)
            for number, value in enumerate(values)
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        shapes.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes.append(_text(20, top + 20, title))
        for (x, y), value, step in zip(points, values, steps, strict=True):
            radius = 6 if step is found else 3
            shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>')
            shapes += [
                _text(x, y - 8, f"{value:.0f}", "middle"),
                _text(x, top + PLOT + 20, str(step.connections), "middle"),
            ]
    return _svg(len(pictures) * (PLOT + 50), "".join(shapes))


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, content: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg">{content}</svg>'
