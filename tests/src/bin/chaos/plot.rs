//! Columns of CSV as lines, one below the other.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 150.0;
const MARGIN: f64 = 30.0;

/// Returns an SVG of a series, whose first column is the time and whose second the round: a panel for each
/// other column, from 0 to the most that there is, with a line where a round begins.
pub(crate) fn draw(csv: &str) -> String {
    let mut lines = csv.lines();
    let names: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    let rows: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(number).collect()).collect();
    let column = |at: usize| rows.iter().map(move |row| row.get(at).copied().unwrap_or_default());
    let most = |at| column(at).fold(1.0, f64::max);
    let across = |time: f64| MARGIN + time / most(0) * WIDTH;

    let panels = names.len().saturating_sub(2);
    let (width, height) = (WIDTH + 2.0 * MARGIN, bottom_of(panels) + MARGIN);
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' \
         font-family='sans-serif' font-size='12' fill='none' stroke-width='1'>\n\
         <rect width='{width}' height='{height}' fill='white'/>\n"
    );
    let mut add = |line: std::fmt::Arguments<'_>| {
        svg.write_fmt(line).expect("a string can be written to");
        svg.push('\n');
    };
    for (panel, at) in (2..names.len()).enumerate() {
        let bottom = bottom_of(panel + 1);
        let top = bottom - HEIGHT;
        let (name, seconds) = (names[at], most(0));
        add(format_args!(
            "<text x='{MARGIN}' y='{}' fill='black'>{name}: {} at most, over {seconds:.0} s</text>",
            top - 5.0,
            most(at)
        ));
        add(format_args!(
            "<rect x='{MARGIN}' y='{top}' width='{WIDTH}' height='{HEIGHT}' stroke='gray'/>"
        ));
        for pair in rows.windows(2).filter(|pair| pair[0][1] < pair[1][1]) {
            let x = across(pair[1][0]);
            add(format_args!(
                "<path d='M{x:.1} {top}V{bottom}' stroke='gray' stroke-dasharray='4'/>"
            ));
        }
        let points: Vec<_> = column(0)
            .zip(column(at))
            .map(|(time, value)| {
                format!("{:.1},{:.1}", across(time), bottom - value / most(at) * HEIGHT)
            })
            .collect();
        add(format_args!("<polyline points='{}' stroke='navy'/>", points.join(" ")));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where so many panels end.
fn bottom_of(panels: usize) -> f64 {
    (0..panels).fold(0.0, |bottom, _| bottom + HEIGHT + MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_a_line_between_nothing_and_its_most() {
        let svg = draw("seconds,round,a,b\n0,1,0,5\n5,1,10,5\n10,2,5,5\n");
        assert!(svg.contains("a: 10 at most, over 10 s"), "{svg}");
        assert!(svg.contains("points='30.0,180.0 480.0,30.0 930.0,105.0'"), "{svg}");
        assert!(svg.contains("points='30.0,210.0 480.0,210.0 930.0,210.0'"), "{svg}");
        assert_eq!(svg.matches("M930.0").count(), 2, "one round begins, in each panel: {svg}");
    }
}
