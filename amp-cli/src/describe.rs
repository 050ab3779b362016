//! `ampctl describe`: shows what schemas say of commands.

use amp_core::Responders;
use amp_core::schema::{BoxSchema, CaseSchema, CommandSchema, Presence, Schema};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

use crate::exit::Failure;
use crate::mistake::{Mistake, no_such, none_of};
use crate::on_line::{OnLine, plain_json};
use crate::options::Describe;
use crate::peering::{PeerOptions, Target};
use crate::running::{say_farewell, until_interrupted};
use crate::schemas::{self, box_in};
use crate::table::write_rows;
use crate::template;

pub(crate) fn describe(options: &Describe, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let schema = match &options.reflect {
        None => {
            none_of(options.connecting.flags(), "nobody is connected to without --reflect")?;
            schemas::load_all(&options.schemas)?
        }
        Some(peer) => {
            let target =
                PeerOptions::reflecting(peer, &options.schemas, &options.connecting).target()?;
            let mut schema = Schema::default();
            let ended = until_interrupted(async {
                schema = reflected(target).await?;
                Ok(ExitCode::SUCCESS)
            })?;
            if ended != ExitCode::SUCCESS {
                return Ok(ended);
            }
            schema
        }
    };
    let written = match &options.command {
        None if options.json => {
            let all = schema.commands().map(|(name, command)| json(name, command));
            writeln!(out, "{}", plain_json(format_args!("{:#}", all.collect::<Value>())))
        }
        None => list(&schema, out),
        Some(name) => {
            let command = schema
                .command(name)
                .ok_or_else(|| no_such("command", name, schema.commands().map(|(name, _)| name)))?;
            if options.json {
                writeln!(out, "{}", plain_json(format_args!("{:#}", json(name, command))))
            } else if options.template {
                writeln!(
                    out,
                    "{}",
                    plain_json(format_args!("{:#}", template::of(&command.arguments)))
                )
            } else {
                table(name, command, out)
            }
        }
    };
    written.map_err(|error| Mistake::new(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks a peer what it answers.
async fn reflected(mut target: Target) -> Result<Schema, Failure> {
    let peer = target.connect(Responders::new(())).await?;
    say_farewell(&peer).await;
    Ok(Schema::clone(&target.schema))
}

/// A line for each command, with the first line of its documentation.
fn list(schema: &Schema, out: &mut Vec<u8>) -> io::Result<()> {
    let rows: Vec<_> = schema
        .commands()
        .map(|(name, command)| [signature(name, command), first_line(&command.docs)])
        .collect();
    write_rows(&rows, "", out)
}

fn first_line(docs: &str) -> String {
    docs.lines().next().unwrap_or_default().to_owned()
}

/// The name, and what is to be known of it.
fn signature(name: &str, command: &CommandSchema) -> String {
    let mut words = vec![name];
    words.extend((!command.requires_answer).then_some("(one-way)"));
    words.extend(command.is_switch.then_some("(switch)"));
    words.extend(command.is_idempotent.then_some("(idempotent)"));
    words.join(" ")
}

fn table(name: &str, command: &CommandSchema, out: &mut Vec<u8>) -> io::Result<()> {
    writeln!(out, "{}", OnLine(&signature(name, command)))?;
    for line in command.docs.lines() {
        writeln!(out, "{}", format!("  {}", OnLine(line)).trim_end())?;
    }
    for (title, schema) in [("arguments", &command.arguments), ("answer", &command.response)] {
        let mut rows = Vec::new();
        add_rows(schema, 0, command.secrets(), &mut rows);
        if !rows.is_empty() {
            writeln!(out, "\n{title}{}", if schema.is_strict { " (and no others)" } else { "" })?;
            write_rows(&rows, "  ", out)?;
        }
    }
    match command.errors() {
        None => writeln!(out, "\nerrors\n  it does not say which"),
        Some([]) => Ok(()),
        Some(errors) => {
            let rows: Vec<_> = errors
                .iter()
                .map(|error| {
                    let exception = error.exception.clone().unwrap_or_default();
                    let fatal = if error.is_fatal { "closes the connection" } else { "" };
                    [error.code.clone(), exception, fatal.to_owned(), first_line(&error.docs)]
                })
                .collect();
            writeln!(out, "\nerrors")?;
            write_rows(&rows, "  ", out)
        }
    }
}

/// A row for each argument, with those of boxes inside of it indented below.
fn add_rows(schema: &BoxSchema, depth: usize, secrets: &[String], rows: &mut Vec<[String; 4]>) {
    for argument in schema.arguments() {
        let mut presence = match argument.presence {
            Presence::Required => "",
            Presence::Optional => "optional",
            Presence::Defaulted => "default",
        }
        .to_owned();
        if secrets.contains(&argument.name) {
            presence.push_str(if presence.is_empty() { "secret" } else { " secret" });
        }
        let name = format!("{:1$}{2}", "", 2 * depth, argument.name);
        rows.push([name, argument.wire_type.to_string(), presence, first_line(&argument.docs)]);
        if let Some(inner) = box_in(&argument.wire_type) {
            add_rows(inner, depth + 1, secrets, rows);
        }
    }
    for path in schema.unknown_types() {
        let name = format!("{:1$}...", "", 2 * depth);
        rows.push([name, format!("others, only known as {path}"), String::new(), String::new()]);
    }
    for case in schema.cases() {
        let name = format!("{:1$}when {2} is {3:?}", "", 2 * depth, case.tag, case.text);
        rows.push([name, String::new(), String::new(), first_line(&case.docs)]);
        add_rows(&case.arguments, depth + 1, secrets, rows);
    }
}

fn json(name: &str, command: &CommandSchema) -> Value {
    let errors = command.errors().as_ref().map(|errors| {
        let errors = errors.iter().map(|error| {
            json!({
                "code": error.code,
                "fatal": error.is_fatal,
                "exception": error.exception,
                "docs": error.docs,
            })
        });
        errors.collect::<Value>()
    });
    json!({
        "command": name,
        "docs": command.docs,
        "requires_answer": command.requires_answer,
        "switch": command.is_switch,
        "idempotent": command.is_idempotent,
        "secrets": command.secrets(),
        "arguments": json_of_box(&command.arguments),
        "response": json_of_box(&command.response),
        "errors": errors,
    })
}

fn json_of_box(schema: &BoxSchema) -> Value {
    let arguments = schema.arguments().iter().map(|argument| {
        let presence = match argument.presence {
            Presence::Required => "required",
            Presence::Optional => "optional",
            Presence::Defaulted => "default",
        };
        json!({
            "name": argument.name,
            "type": argument.wire_type.to_string(),
            "presence": presence,
            "docs": argument.docs,
            "box": box_in(&argument.wire_type).map(json_of_box),
        })
    });
    json!({
        "arguments": arguments.collect::<Value>(),
        "strict": schema.is_strict,
        "unknown": schema.unknown_types(),
        "cases": schema.cases().iter().map(json_of_case).collect::<Value>(),
    })
}

fn json_of_case(case: &CaseSchema) -> Value {
    json!({
        "tag": case.tag,
        "text": case.text,
        "docs": case.docs,
        "box": json_of_box(&case.arguments),
    })
}
