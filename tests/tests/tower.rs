//! Descriptors through what is built around calls and responders: their boxes are encoded for the
//! connection that they go over.

use amp_core::reconnect::Connector;
use amp_core::tower::PeerService;
use amp_core::{Arguments, Command, Context, NoError, Responders};
use amp_unix::{Descriptor, connection};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;
use tokio::net::UnixStream;
use tower::timeout::TimeoutLayer;
use tower::{ServiceBuilder, ServiceExt};

/// Gives back what it was given.
#[derive(Command)]
#[amp(response = Given)]
struct Return {
    file: Descriptor,
}

#[derive(Arguments)]
struct Given {
    file: Descriptor,
}

async fn give_back(_: Context, Return { file }: Return) -> Result<Given, NoError> {
    Ok(Given { file })
}

fn file(content: &[u8]) -> Descriptor {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file.into()
}

fn content(descriptor: Descriptor) -> String {
    let mut content = String::new();
    File::try_from(descriptor).unwrap().read_to_string(&mut content).unwrap();
    content
}

#[tokio::test]
async fn descriptors_go_through_layers_services_and_clients() {
    let responders = Responders::new(())
        .respond(give_back)
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .layer(ServiceBuilder::new().concurrency_limit(2));
    let client = Connector::new(move || {
        let responders = responders.clone();
        async move {
            let (here, there) = UnixStream::pair()?;
            tokio::spawn(connection(there)?.responders(responders).run());
            connection(here)
        }
    })
    .wait_for_connection()
    .spawn();
    let given = client.call_remote(Return { file: file(b"client") }).await.unwrap();
    assert_eq!(content(given.file), "client");

    let service = PeerService::new(client.connected().await.unwrap());
    let service = ServiceBuilder::new().concurrency_limit(1).service(service);
    let given = service.oneshot(Return { file: file(b"service") }).await.unwrap();
    assert_eq!(content(given.file), "service");
}
