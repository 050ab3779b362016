use std::time::Duration;

/// The longest time, so that none is over the end of the clock.
const LONGEST: Duration = Duration::from_secs(8784 * 3600);

/// Reads a time as it is written on the command line: `10s`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time is a number and ms, s, m or h, as 10s".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| format!("{number:?} is no number"))?;
    let duration = Duration::try_from_secs_f64(number * scale);
    let duration = duration.map_err(|error| error.to_string())?;
    if duration > LONGEST {
        return Err("a time is a year at most, 8784h".to_owned());
    }
    Ok(duration)
}
