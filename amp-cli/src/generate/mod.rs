//! Code and documents that are made of schemas.

use clap::Args;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::hints::Hints;
use crate::mistake::Mistake;
use crate::schemas;

mod markdown;
mod names;
mod python;
mod rust;
mod rust_by_hand;
mod rust_cases;
mod rust_docs;
mod rust_items;
mod rust_types;

/// What is written, of which schemas.
#[derive(Args, Debug)]
pub(crate) struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Structs and enums of Rust, for amp-core
    ///
    /// It uses the crates bytes and thiserror, and others where a schema has types of theirs. Put it into a
    /// module of a file of its own, and do not change it: change the schema, or the hints.
    Rust(Rust),
    /// Classes of Python, for Twisted
    Python(Python),
    /// A reference
    Markdown(Sources),
}

#[derive(Args, Debug)]
struct Sources {
    /// Where the schema is: a file, or `git:REVISION:PATH`; may be given more than once
    #[arg(required = true, value_name = "SCHEMA")]
    schemas: Vec<String>,
}

#[derive(Args, Debug)]
struct Rust {
    #[command(flatten)]
    sources: Sources,
    /// A file with names of types, and widths of integers: TOML
    ///
    /// In its table `[rust.integers]`, a key, or a place such as `Sum.a`, has the type of an Integer, as
    /// `"u128"`. In its table `[rust.names]`, a place has the name of a type, as `"Sum.response" = "Total"`.
    #[arg(long, value_name = "FILE")]
    hints: Option<PathBuf>,
    /// Adds the names of all types to the hints, so that none changes when there are more commands
    #[arg(long, requires = "hints")]
    keep_names: bool,
    /// Writes the types that are to be written by hand into this file, unless it is there
    ///
    /// It is the module `by_hand`, beside the one that is generated.
    #[arg(long, value_name = "FILE")]
    by_hand: Option<PathBuf>,
    /// Prints a responder for each command instead, to be filled in
    #[arg(long)]
    responders: bool,
}

#[derive(Args, Debug)]
struct Python {
    #[command(flatten)]
    sources: Sources,
    /// Writes the arguments that are to be written by hand into this file, unless it is there
    #[arg(long, value_name = "FILE", default_value = "by_hand.py", hide_default_value = true)]
    by_hand: PathBuf,
}

pub(crate) fn generate(options: &Generate, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let (text, by_hand) = match &options.what {
        What::Rust(options) => rust(options)?,
        What::Python(options) => python(options)?,
        What::Markdown(Sources { schemas }) => {
            (markdown::write(&schemas::load_all(schemas)?, &title(schemas)), None)
        }
    };
    if let Some((path, text)) = by_hand {
        write_once(path, &text)?;
    }
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// A file that is written unless it is there.
type Once<'a> = Option<(&'a Path, String)>;

fn rust(options: &Rust) -> Result<(String, Once<'_>), Mistake> {
    let schema = schemas::load_all(&options.sources.schemas)?;
    let hints = Hints::read(options.hints.as_deref())?;
    let header = format!("// {}", header(&options.sources.schemas));
    let written = rust::write(&schema, &hints.rust, &header)?;
    if let (true, Some(path)) = (options.keep_names, &options.hints) {
        hints.keep_names(path, &written.names)?;
    }
    let by_hand = &written.uses.by_hand;
    let once = options.by_hand.as_deref().filter(|_| !by_hand.is_empty());
    let once = once.map(|path| (path, rust_by_hand::types(by_hand)));
    let responders = options.responders.then(|| rust_by_hand::responders(&written));
    Ok((responders.unwrap_or(written.text), once))
}

fn python(options: &Python) -> Result<(String, Once<'_>), Mistake> {
    let schema = schemas::load_all(&options.sources.schemas)?;
    let header = format!("# {}", header(&options.sources.schemas));
    let module = options.by_hand.file_stem().unwrap_or_default().to_string_lossy();
    let written = python::write(&schema, &header, &module)?;
    let by_hand = &written.by_hand;
    let once = (!by_hand.is_empty()).then(|| (&*options.by_hand, python::by_hand(by_hand)));
    Ok((written.text, once))
}

fn header(schemas: &[String]) -> String {
    format!("Written from {} by ampctl. What is changed here is lost.", title(schemas))
}

/// The names of the files.
fn title(schemas: &[String]) -> String {
    let names: Vec<_> =
        schemas.iter().map(|schema| schema.rsplit(['/', ':']).next().unwrap_or(schema)).collect();
    // A name of a file may have lines, and what it stands in has one.
    names.join(", ").replace(char::is_control, " ")
}

fn write_once(path: &Path, text: &str) -> Result<(), Mistake> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| Mistake::new(format!("cannot write {}: {error}", path.display())))
}
