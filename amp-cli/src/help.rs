//! The long texts of `ampctl --help` and of the manual pages that have examples in them. A paragraph is one
//! line, which is wrapped where it is printed.

/// Of the program.
pub(crate) const PROGRAM: &str = "\
A command line for AMP, the Asynchronous Messaging Protocol

Calls peers and answers them, describes what commands look like on the wire, and tells which changes break \
peers that know them as they were. Commands are known from schemas: the texts that the `SchemaRecord` of \
the library writes beside the tests, or that a server hands out.

A peer is an address, or a name of `ampctl.toml`, which is looked for in this folder, in those around it, \
and in the user's folder for configuration:

    [peers.calculator]
    address = \"unix:/run/calculator\"
    schema = [\"calculator.schema\"]

It takes the flags of `ampctl call` that are about the peer, by the same names. Paths begin where the file \
is. Since it can start programs, one that others can have written is refused.

Exit codes:

    0    all is well
    1    an error that the command declares; what `check`, `comply`
         or `replay` finds; a bound of `bench` does not hold; a
         rule of `serve` was not used as often as it says
    2    a mistake in what was asked for; nothing was sent but
         what `--reflect` asks
    3    there is no connection, or TLS has failed
    4    an error that is not declared
    5    the peer does not handle the command
    6    the connection ended before the answer
    7    the answer does not fit the schema
    8    the answer came and could not be printed, copied or
         handed on; or what is seen could not be written
    124  the answer did not come in time
    130  the user interrupted it
    143  another program ended it, by SIGTERM

With `call --exec`, the code is that of the program.";

/// Of `ampctl serve`.
pub(crate) const SERVE: &str = "\
Answers calls by rules, or by a program: a test double of a server

Prints `listening ADDRESS`, and then a line of JSON for each call, until it is interrupted. Rules are \
tables of TOML, and the first that is for a call answers it:

    [[rule]]
    command = \"Divide\"
    when = { denominator = 0 }     # a part of the arguments
    error = \"ZERO_DIVISION\"
    description = \"division by zero\"

    [[rule]]
    command = \"Divide\"
    answer = { result = 0.5 }

A rule has one of `answer`, `answers` (in turn), `error` with a `description`, `close = true`, and `exec`, \
a program that reads the call as JSON and prints {\"answer\": {..}} or {\"error\": CODE, \"description\": \
TEXT}; for a protocol switch, the program is joined to the stream. A program that has not answered within a \
minute is ended.

Before that, `delay = \"1s\"` waits, and `call = [{ command = NAME, arguments = {..} }]` calls the peer \
back; whoever asks for a protocol switch is called with one-way commands only. After `times = N` a rule is \
used up. A Descriptor is { file = PATH, access = \"r\" }. The exit code is 1 when a rule with `times` was \
not used as often.";
