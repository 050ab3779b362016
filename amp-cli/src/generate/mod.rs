//! Code and documents that are made of schemas.

use amp_core::schema::{BoxSchema, Schema};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::hints::Hints;
use crate::mistake::Mistake;
use crate::printing::tell;
use crate::{schemas, type_words, whole_file};

mod boxes;
mod markdown;
mod names;
mod python;
mod rust;
mod rust_by_hand;
mod rust_cases;
mod rust_docs;
mod rust_items;
mod rust_names;
mod rust_types;
mod styles;
mod text;

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
    /// It uses the crates bytes and thiserror, and others where a schema has types of theirs: `Json` needs
    /// `serde_json` and the feature json of amp-core, `Zlib` its feature zlib, `IpNetworkBytes` its feature ipnet
    /// and that crate, `Descriptor` amp-unix. Put it into a module of a file of its own, and do not change it:
    /// change the schema, or the hints.
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
    /// Writes a responder for each command into this file, to be filled in, unless it is there
    ///
    /// It is beside the module `commands`, which is the one that is generated.
    #[arg(long, value_name = "FILE")]
    responders: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Python {
    #[command(flatten)]
    sources: Sources,
    /// Writes the arguments that are to be written by hand into this file, unless it is there
    ///
    /// Its name is that of the module that they are imported from, which is `by_hand` otherwise.
    #[arg(long, value_name = "FILE")]
    by_hand: Option<PathBuf>,
}

pub(crate) fn generate(options: &Generate, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let text = match &options.what {
        What::Rust(options) => rust(options)?,
        What::Python(options) => python(options)?,
        What::Markdown(Sources { schemas }) => {
            markdown::write(&schemas::load_all(schemas)?, &title(schemas))
        }
    };
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn rust(options: &Rust) -> Result<String, Mistake> {
    if options.by_hand.is_some() && options.by_hand == options.responders {
        return Err(Mistake::new("--by-hand and --responders are one file".to_owned()));
    }
    // Words of a schema of git's are not looked at when it is read.
    let schema = schemas::load_all(&options.sources.schemas)?;
    type_words::check(&schema)?;
    let hints = Hints::read(options.hints.as_deref())?;
    say_of_start_tls(&schema);
    let header = format!("// {}", header(&options.sources.schemas));
    let written = rust::write(&schema, &hints.rust, &header)?;
    for place in &written.unused {
        tell(format_args!("the hint for {place} is not needed"));
    }
    for line in written.renamed.iter().chain(&written.lost) {
        tell(line);
    }
    if let (true, Some(path)) = (options.keep_names, &options.hints) {
        hints.keep_names(path, &written.names)?;
    }
    if let (Some(path), false) = (&options.by_hand, written.uses.by_hand.is_empty()) {
        write_once(path, &rust_by_hand::types(&written.uses.by_hand))?;
    }
    if let Some(path) = &options.responders {
        write_once(path, &rust_by_hand::responders(&written))?;
    }
    Ok(written.text)
}

fn python(options: &Python) -> Result<String, Mistake> {
    let schema = schemas::load_all(&options.sources.schemas)?;
    type_words::check(&schema)?;
    // Python looks for `coding=` in comments at the beginning, to read all that follows as that says.
    let header = format!("# {}", header(&options.sources.schemas)).replace("coding=", "coding =");
    let by_hand = options.by_hand.as_deref();
    let stem = by_hand
        .map_or("by_hand".into(), |path| path.file_stem().unwrap_or_default().to_string_lossy());
    if !python::is_name(&stem) {
        return Err(Mistake::new(format!("{stem:?} is no name of a module of Python")));
    }
    let written = python::write(&schema, &header, &stem)?;
    say_of_start_tls(&schema);
    for note in &written.lost {
        tell(note);
    }
    if let (Some(path), false) = (by_hand, written.by_hand.is_empty()) {
        write_once(path, &python::by_hand(&written.by_hand))?;
    }
    Ok(written.text)
}

fn header(schemas: &[String]) -> String {
    format!("Written from {} by ampctl. What is changed here is lost.", title(schemas))
}

/// The names of the files.
fn title(schemas: &[String]) -> String {
    let names: Vec<_> =
        schemas.iter().map(|schema| schema.rsplit(['/', ':']).next().unwrap_or(schema)).collect();
    text::clean_line(&names.join(", "))
}

/// Says what is lost of the command that both libraries have, with what it does.
fn say_of_start_tls(schema: &Schema) {
    let Some(command) = schema.command("StartTLS") else { return };
    let boxes = [&command.arguments, &command.response];
    let has_keys = boxes.iter().any(|schema| **schema != BoxSchema::new());
    if has_keys || command.errors() != Some(&[]) {
        tell(
            "command StartTLS: it is the library's own, without the keys and errors of the schema",
        );
    }
}

/// Writes a file that is somebody's from then on.
fn write_once(path: &Path, text: &str) -> Result<(), Mistake> {
    let shown = path.display();
    if path.is_file() {
        tell(format_args!("{shown} is there already, and stays as it is"));
        return Ok(());
    }
    whole_file::create(path, text)
        .map_err(|error| Mistake::new(format!("cannot write {shown}: {error}")))
}
