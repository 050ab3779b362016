//! Commands that are declared in Python, as a schema.

use amp_core::schema::Schema;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::exit;
use crate::hints::Hints;
use crate::mistake::Mistake;

/// What runs in the user's Python: a start, and the modules that it is given.
const START: &str = include_str!("start.py");
const SOURCES: [(&str, &str); 3] = [
    ("ampctl_slicing", include_str!("slicing.py")),
    ("ampctl_wire_types", include_str!("wire_types.py")),
    ("ampctl_record", include_str!("record.py")),
];

/// How long it may take. Single statements, and hooks of arguments, are given up after three seconds.
const LONGEST: Duration = Duration::from_secs(60);
/// How much it may say, in bytes.
const MOST: u64 = 64 << 20;

/// Where the commands come from.
#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(subcommand)]
    language: Language,
}

#[derive(Debug, clap::Subcommand)]
enum Language {
    /// The `amp.Command` classes of modules
    ///
    /// It runs in your Python, which needs Twisted and nothing else: of the modules, and of those that they
    /// import from the folders, only what the commands need is executed, and for what is not found there are
    /// stand-ins. Where a command may be missing for that, a line says so, until the hint file says in
    /// `[module."NAME"]` that it is `complete = true`.
    ///
    /// The type of an argument is known when it is one of Twisted's, or derived from one without another form
    /// on the wire, and when its class has an attribute `wire_form`, as those of the package amp-arguments.
    /// Others are probed: their methods are called with samples. What probing has found is marked in the schema
    /// until a hint file confirms it, and what it has not found is `unknown`. Both are listed on standard error,
    /// as lines for the hint file.
    Python(Python),
}

#[derive(Args, Debug)]
struct Python {
    /// Names of modules, or files that end in `.py`
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<String>,
    /// A folder that modules are looked for in; may be given more than once
    #[arg(long = "path", value_name = "FOLDER", default_value = ".")]
    folders: Vec<String>,
    /// A file that says what arguments are which are not known: TOML
    #[arg(long, value_name = "FILE")]
    hints: Option<PathBuf>,
    /// Ends with 1 while anything is unknown, not confirmed, or left out
    #[arg(long)]
    strict: bool,
    /// The Python interpreter that has Twisted
    #[arg(long = "python", value_name = "PROGRAM", default_value = "python3")]
    interpreter: PathBuf,
}

/// What the program in Python says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Mistake { mistake: String, left_out: Vec<String> },
    Found(Found),
}

#[derive(Deserialize)]
struct Found {
    record: String,
    open: Vec<Open>,
    /// What could not be executed.
    left_out: Vec<String>,
    /// Hints that no argument has asked for.
    unused: Vec<String>,
}

/// Something that a person has to say, or to confirm.
#[derive(Deserialize)]
struct Open {
    what: String,
    place: String,
    part: String,
    cls: String,
    hint: BTreeMap<String, String>,
}

pub(crate) fn import(options: &Import, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let Language::Python(options) = &options.language;
    let found = run(options)?;
    for line in &found.left_out {
        eprintln!("ampctl: {line}");
    }
    for class in &found.unused {
        eprintln!("ampctl: the hint for {class} is not needed");
    }
    report(&found.open);
    if let Err(error) = found.record.parse::<Schema>() {
        return Err(Mistake::new(format!("the commands cannot be written as a schema: {error}")));
    }
    let modules = options.modules.join(", ");
    out.extend_from_slice(format!("# The commands of {modules}, from Python.\n\n").as_bytes());
    out.extend_from_slice(found.record.as_bytes());
    let is_open = options.strict && !(found.open.is_empty() && found.left_out.is_empty());
    Ok(if is_open { ExitCode::from(exit::DECLARED) } else { ExitCode::SUCCESS })
}

fn run(options: &Python) -> Result<Found, Mistake> {
    let python = options.interpreter.display();
    let cannot = |error| Mistake::new(format!("cannot run {python}: {error}"));
    let request = json!({
        "sources": SOURCES,
        "modules": options.modules,
        "folders": options.folders,
        "hints": Hints::read(options.hints.as_deref())?,
    });
    let mut command = Command::new(&options.interpreter);
    command.args(["-c", START]).env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // What the user's code prints is for nobody, unless nothing else is said.
    command.stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A Python that ends before it has read all says why itself.
        let _ = stdin.write_all(request.to_string().as_bytes());
    }
    let (said, printed) = output_of(&mut child).map_err(|what| {
        Mistake::new(format!("{python} {what}: it was executing what the commands need"))
    })?;
    let status = child.wait().map_err(cannot)?;
    match serde_json::from_slice(&said) {
        Ok(Answer::Found(found)) => Ok(found),
        Ok(Answer::Mistake { mistake, left_out }) => {
            Err(Mistake::new([left_out, vec![mistake]].concat().join("\nampctl: ")))
        }
        Err(_) => {
            let printed = String::from_utf8_lossy(&printed);
            let last = printed.trim_end().lines().next_back().unwrap_or_default();
            Err(Mistake::new(format!("{python} did not say anything: {status}: {last}")))
        }
    }
}

/// What it says, and what is printed beside that, unless it takes too long. It is killed then.
fn output_of(child: &mut Child) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (send, received) = channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    let count = pipes.len();
    for (at, pipe) in pipes.into_iter().enumerate() {
        let send = send.clone();
        // It may outlive this where another program has the pipe.
        thread::spawn(move || {
            let Some(mut pipe) = pipe else { return };
            let mut bytes = Vec::new();
            let _ = pipe.by_ref().take(MOST).read_to_end(&mut bytes);
            let _ = send.send((at, bytes));
            // What is more is not kept, and nobody waits for room in the pipe.
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        });
    }
    let mut outputs = [Vec::new(), Vec::new()];
    for _ in 0..count {
        let Ok((at, bytes)) = received.recv_timeout(LONGEST) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("has not ended in {} s", LONGEST.as_secs()));
        };
        outputs[at] = bytes;
    }
    let [said, printed] = outputs;
    Ok((said, printed))
}

/// Says what is open, as lines for a hint file.
fn report(open: &[Open]) {
    let mut classes: BTreeMap<(&str, _), Vec<&Open>> = BTreeMap::new();
    for one in open {
        if one.cls.is_empty() {
            let part = if one.part.is_empty() { String::new() } else { format!("{}: ", one.part) };
            eprintln!("ampctl: {}: {part}{}", one.place, one.what);
        } else {
            classes.entry((&one.cls, &one.hint)).or_default().push(one);
        }
    }
    if classes.is_empty() {
        return;
    }
    eprintln!(
        "ampctl: a hint file has to say, or to confirm, what these arguments are on the wire:"
    );
    for ((class, hint), places) in classes {
        let [Open { what, place, part, .. }, others @ ..] = &places[..] else { continue };
        let others = match others.len() {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        eprintln!("\n# {what}: {place}: {part}{others}\n[argument.{class:?}]");
        if hint.is_empty() {
            eprintln!("wire = \"?\"");
        }
        for (name, value) in hint {
            eprintln!("{name} = {value:?}");
        }
    }
}
