//! Rows and columns of text.

use amp_core::dynamic::{Value, Values};
use std::io::{self, Write};

use crate::descriptors::json_of_value;
use crate::mistake::Mistake;
use crate::on_line::OnLine;

/// Writes rows whose columns are as wide as what is in them. Columns that are empty are left out, and
/// what a terminal would act upon is only shown.
pub(crate) fn write_rows<R: AsRef<[String]>>(
    rows: &[R],
    before: &str,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let on_line = |row: &R| row.as_ref().iter().map(|cell| OnLine(cell).to_string()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(on_line).collect();
    let mut widths = Vec::new();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            if at == widths.len() {
                widths.push(0);
            }
            widths[at] = widths[at].max(cell.chars().count());
        }
    }
    for row in rows {
        let columns = widths.iter().zip(&row).filter(|(width, _)| **width > 0);
        let cells: Vec<_> = columns.map(|(width, cell)| format!("{cell:width$}")).collect();
        writeln!(out, "{before}{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// An answer: a row for each value, and below them a table for each list of boxes.
pub(crate) fn of_values(values: &Values) -> Result<Vec<u8>, Mistake> {
    let (mut out, mut count) = (Vec::new(), 0);
    let (mut rows, mut tables) = (Vec::new(), Vec::new());
    for (name, value) in values.iter() {
        match boxes_of(value) {
            Some(boxes) => tables.push((name, of_boxes(&boxes, &mut count))),
            None => rows.push(vec![name.to_owned(), cell(value, &mut count)]),
        }
    }
    let wrong = |error: io::Error| Mistake::new(error.to_string());
    write_rows(&rows, "", &mut out).map_err(wrong)?;
    for (name, rows) in tables {
        let space = if out.is_empty() { "" } else { "\n" };
        writeln!(out, "{space}{}", OnLine(name)).map_err(wrong)?;
        write_rows(&rows, "  ", &mut out).map_err(wrong)?;
    }
    Ok(out)
}

/// The boxes that a list is made of, if there are some.
fn boxes_of(value: &Value) -> Option<Vec<&Values>> {
    let Value::List(items) = value else { return None };
    let boxes = items.iter().map(|item| match item {
        Value::Box(values) => Some(values),
        _ => None,
    });
    boxes.collect::<Option<Vec<_>>>().filter(|boxes| !boxes.is_empty())
}

/// A row with the names of all values, and one for each box.
fn of_boxes(boxes: &[&Values], count: &mut usize) -> Vec<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in boxes.iter().flat_map(|values| values.iter()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut rows = vec![names.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>()];
    for values in boxes {
        let mut cell_of = |name: &&str| values.get(name).map(|value| cell(value, count));
        rows.push(names.iter().map(|name| cell_of(name).unwrap_or_default()).collect());
    }
    rows
}

/// A value on one line: a text without its quotes where it is one.
fn cell(value: &Value, count: &mut usize) -> String {
    let json = json_of_value(value, count);
    let inside = json.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match inside {
        Some(text) if !text.contains('\\') && !text.is_empty() => text.to_owned(),
        _ => json,
    }
}
