// A responder for each command, to be filled in. This file is written once: it is yours.
use amp_core::{Context, NoError, Responders, Switched};
use std::future::Ready;

use super::by_hand;
use super::commands::{
    ContextCommand, List, ListStock, ListStockCommand, ListStockCommandError, ListStockError,
    NoErrorCommand, NoErrorCommandResponse, Opened, Refusal, RespondersCommand, ResultCommand,
    ResultCommandResponse, StockOfList, StreamOfCommand, StreamOfCommandResponse, StringCommand,
    Type, TypeError,
};

/// Returns what answers the peer.
pub fn responders() -> Responders {
    Responders::new(())
        .respond(context)
        .respond(no_error)
        .respond(responders_)
        .respond(result)
        .respond(stream_of)
        .respond_switch(string)
        .respond(list)
        .respond(list_stock)
        .respond(list_stock_)
        .respond(list_stock__)
        .respond(r#type)
}

/// Answers `Context`.
async fn context(_context: Context, _command: ContextCommand) -> Result<Opened, Refusal> {
    unimplemented!()
}

/// Answers `NoError`.
async fn no_error(
    _context: Context,
    _command: NoErrorCommand,
) -> Result<NoErrorCommandResponse, by_hand::NoErrorCommandError> {
    unimplemented!()
}

/// Answers `Responders`.
async fn responders_(_context: Context, _command: RespondersCommand) -> Result<(), NoError> {
    unimplemented!()
}

/// Answers `Result`.
async fn result(
    _context: Context,
    _command: ResultCommand,
) -> Result<ResultCommandResponse, NoError> {
    unimplemented!()
}

/// Answers `StreamOf`.
async fn stream_of(
    _context: Context,
    _command: StreamOfCommand,
) -> Result<StreamOfCommandResponse, NoError> {
    unimplemented!()
}

/// Answers `String`.
async fn string(
    _context: Context,
    _command: StringCommand,
) -> Result<fn(Switched) -> Ready<()>, NoError> {
    unimplemented!()
}

/// Answers `list`.
async fn list(_context: Context, _command: List) -> Result<(), NoError> {
    unimplemented!()
}

/// Answers `list stock`.
async fn list_stock(_context: Context, _command: ListStock) -> Result<(), ListStockError> {
    unimplemented!()
}

/// Answers `list-stock`.
async fn list_stock_(
    _context: Context,
    _command: ListStockCommand,
) -> Result<(), ListStockCommandError> {
    unimplemented!()
}

/// Answers `listStock`.
async fn list_stock__(_context: Context, _command: StockOfList) -> Result<(), NoError> {
    unimplemented!()
}

/// Answers `type`.
async fn r#type(_context: Context, _command: Type) -> Result<(), TypeError> {
    unimplemented!()
}
