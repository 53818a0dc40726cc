"""Bars as an SVG that reads well on light and dark pages."""

from html import escape

WIDTH, LEFT, BAR, GAP = 860, 190, 13, 16
COLOURS = ["#d9480f", "#f08c00", "#868e96", "#74c0fc", "#1c7ed6", "#1864ab", "#37b24d"]


def bars(title, groups, columns):
    """`groups` are (name, {column: seconds}); the axis is linear and ends with the largest finite figure."""
    finite = [value for _, figures in groups for value in figures.values() if value != float("inf")]
    longest = max(finite, default=1)
    y, parts = 56, []
    for name, figures in groups:
        shown = [column for column in columns if column in figures]
        middle = y + len(shown) * BAR / 2
        parts.append(f'<text x="{LEFT - 12}" y="{middle + 4:.0f}" text-anchor="end">{escape(name)}</text>')
        for column in shown:
            value = figures[column]
            length = (WIDTH - LEFT - 90) * min(value, longest) / longest
            label = f"{value:.2f} s" if value != float("inf") else "did not end in time"
            colour = COLOURS[columns.index(column)]
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{max(length, 1):.1f}" height="{BAR - 2}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + max(length, 1) + 5:.1f}" y="{y + 9}" class="small">{label}</text>')
            y += BAR
        y += GAP
    legend, x = [], LEFT
    for column, colour in zip(columns, COLOURS):
        legend.append(f'<rect x="{x}" y="32" width="10" height="10" fill="{colour}"/>')
        legend.append(f'<text x="{x + 14}" y="41" class="small">{escape(column)}</text>')
        x += 28 + 7 * len(column)
    style = "text{font:13px sans-serif;fill:#495057}.small{font-size:11px}@media(prefers-color-scheme:dark){text{fill:#ced4da}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" aria-label="{escape(title)}">'
        f"<style>{style}</style>"
        f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>' + "".join(legend + parts) + "</svg>\n"
    )
