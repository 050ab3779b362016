//! Commands that are declared in Python, as a schema.

mod interpreter;

use amp_core::schema::Schema;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::exit::{self, Failure};
use crate::hints::Hints;
use crate::mistake::Mistake;
use crate::on_line::OnLine;
use crate::printing::{tell, tell_line};
use crate::running::run;

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
    /// It runs in your Python, 3.10 or later, which needs Twisted and nothing else: of the modules, and of those that they
    /// import from the folders, only what the commands need is executed, and for what is not found there are
    /// stand-ins. Which classes are commands, and which branch of an `if` runs, is found by reading: nothing is
    /// executed for it. A statement that a command needs is executed whole, as the `with` or `for` that is
    /// around a class. Of a `try` around imports the branch counts that runs with what is found. Where a command
    /// may be missing or another for all that, a line says so, until the hint file says in `[module."NAME"]`
    /// that it is `complete = true`, or leaves out the command by `skip = true` in `[command."NAME"]`.
    ///
    /// The type of an argument is known when it is one of Twisted's, or derived from one without another form
    /// on the wire, and when its class has an attribute `wire_form`, as those of the package amp-arguments.
    /// Others are probed: their methods are called with samples. What probing has found is marked in the schema
    /// until a hint file confirms it, and what it has not found is `unknown`. Both are listed on standard error,
    /// as lines for the hint file.
    ///
    /// Not looked at are modules that are imported by none of the commands' for a name, so what they change of a
    /// command when they are loaded is not seen; nor is what metaclasses, properties, `__call__`, `__enter__`, `__init_subclass__`, functions
    /// inside of functions, and decorators of classes that are not found do. Commands of other modules count
    /// where `__all__` has their names as they stand. So what is said to be sure is no proof: a test that
    /// compares both sides while they run is.
    ///
    /// Your code gets three seconds for each statement and each hook, a minute in all, and 2 GiB of memory to
    /// write to, but for memory that is shared. One call that does not come back to Python takes the whole
    /// minute. What it has started is ended with it.
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
    run(async { print(options, &find(options).await?, out) })
}

async fn find(options: &Python) -> Result<Found, Failure> {
    let request = json!({
        "modules": options.modules,
        "folders": options.folders,
        "hints": Hints::read(options.hints.as_deref())?,
    });
    match interpreter::ask(&options.interpreter, request).await? {
        Answer::Found(found) => Ok(found),
        Answer::Mistake { mistake, left_out } => {
            left_out.iter().for_each(tell);
            Err(Mistake::new(mistake).into())
        }
    }
}

fn print(options: &Python, found: &Found, out: &mut Vec<u8>) -> Result<ExitCode, Failure> {
    for class in &found.unused {
        tell(format!("the hint for {class} is not needed"));
    }
    report(&found.open);
    if let Err(error) = found.record.parse::<Schema>() {
        let what = format!("the commands cannot be written as a schema: {error}");
        return Err(Mistake::new(what).into());
    }
    let modules = options.modules.join(", ");
    let modules = OnLine(&modules);
    out.extend_from_slice(format!("# The commands of {modules}, from Python.\n\n").as_bytes());
    out.extend_from_slice(found.record.as_bytes());
    let is_refused = options.strict && !found.open.is_empty();
    Ok(if is_refused { ExitCode::from(exit::DECLARED) } else { ExitCode::SUCCESS })
}

/// Says what is open, as lines for a hint file.
fn report(open: &[Open]) {
    let mut classes: BTreeMap<(&str, _), Vec<&Open>> = BTreeMap::new();
    for one in open {
        if one.cls.is_empty() {
            let part = if one.part.is_empty() { String::new() } else { format!("{}: ", one.part) };
            tell(format!("{}: {part}{}", one.place, one.what));
        } else {
            classes.entry((&one.cls, &one.hint)).or_default().push(one);
        }
    }
    if classes.is_empty() {
        return;
    }
    tell("a hint file has to say, or to confirm, what these arguments are on the wire:");
    for ((class, hint), places) in classes {
        let [Open { what, place, part, .. }, others @ ..] = &places[..] else { continue };
        let others = match others.len() {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        let line = format!("{what}: {place}: {part}{others}");
        tell_line(format_args!("\n# {}\n[argument.{class:?}]", OnLine(&line)));
        if hint.is_empty() {
            tell_line("wire = \"?\"");
        }
        for (name, value) in hint {
            tell_line(format_args!("{name} = {value:?}"));
        }
    }
}
