//! TLS from the start of a connection: who is trusted, how handshakes fail, how connections end.

#[path = "tls/identities.rs"]
mod identities;
#[path = "support/tls.rs"]
mod over_tls;
mod support;

use amp_core::tcp::KeepaliveListener;
use amp_core::tls::rustls::sign::SingleCertAndKey;
use amp_core::tls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, version};
use amp_core::tls::{
    self, Authorities, ClientCertificates, Identity, IdentityParts, PeerCertificates, TlsError,
    TlsListener, dangerous,
};
use amp_core::{
    AmpBox, CloseReason, Limits, Listener, PeerAddress, RemoteError, Responders, serve_with,
};
use over_tls::{
    Authority, Streams, assert_alert, assert_certificate, certified, connected, handshake,
    no_clients, params, provider, serve_tls, who, with_any_key,
};
use rcgen::{BasicConstraints, IsCa, KeyPair, date_time_ymd};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use support::{echoing, numbered};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[tokio::test]
async fn a_server_and_its_clients_call_over_tcp() {
    let authority = Authority::new();
    let server = authority.identity("localhost");
    let address =
        serve_tls(tls::server_config(server, ClientCertificates::NotAsked).unwrap()).await;
    let config = tls::client_config(&authority.trusted(), None).unwrap();
    let peer = tls::connect(address, "localhost", config).await.unwrap().spawn();
    assert_eq!(peer.peer_address().to_string(), address.to_string());
    let answer = peer.call_by_name("Echo", numbered(7)).await.unwrap();
    assert_eq!(answer.get("n"), Some(&b"7"[..]));
    let shown = peer.get::<PeerCertificates>().expect("the server shows its certificate");
    assert_eq!(shown.chain().len(), 1);
    assert_eq!(shown.own(), &shown.chain()[0]);
    assert_eq!(PeerCertificates::new(shown.own().clone(), []), *shown);
    let address = peer.call_by_name("Who", numbered(1)).await.unwrap();
    assert_eq!(address.get("certificates"), Some(&b"0"[..]));
    assert!(address.get("address").unwrap().starts_with(b"127.0.0.1:"));
}

/// Linux hands out the stream all the same, and does not know where its other end was.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_resets_at_once_is_no_failure_of_the_listener() {
    let minute = Duration::from_secs(60);
    let authority = Authority::new();
    let server = authority.identity("localhost");
    let server = tls::server_config(server, ClientCertificates::NotAsked).unwrap();
    let config = tls::client_config(&authority.trusted(), None).unwrap();
    let bound = async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        client.set_zero_linger().unwrap();
        (listener, address, client.local_addr().unwrap())
    };

    let (listener, address, _) = bound().await;
    let mut listener = TlsListener::new(listener, Arc::clone(&server));
    let client = tls::connect(address, "localhost", Arc::clone(&config));
    let (accepted, client) = tokio::join!(listener.accept(), client);
    drop((accepted.unwrap(), client.unwrap()));
    let (listener, address, _) = bound().await;
    let listener = KeepaliveListener::new(listener, minute, minute);
    let mut listener = TlsListener::new(listener, server);
    let client = tls::connect(address, "localhost", config);
    let (accepted, client) = tokio::join!(listener.accept(), client);
    drop((accepted.unwrap(), client.unwrap()));

    // Without TLS it is a connection, which ends.
    let (mut listener, _, client) = bound().await;
    let accepted = Listener::accept(&mut listener).await.unwrap().spawn();
    assert_eq!(accepted.peer_address().to_string(), client.to_string());
    let (listener, _, client) = bound().await;
    let mut listener = KeepaliveListener::new(listener, minute, minute);
    let accepted = listener.accept().await.unwrap().spawn();
    assert_eq!(accepted.peer_address().to_string(), client.to_string());
}

#[tokio::test]
async fn an_ip_address_is_a_name_too() {
    let authority = Authority::new();
    let server = no_clients(authority.identity("127.0.0.1"));
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (client, server) = handshake(client, "127.0.0.1", server).await;
    drop(client.unwrap());
    drop(server.unwrap());
}

#[tokio::test]
async fn what_is_no_name_is_said() {
    let config = tls::client_config(&Authority::new().trusted(), None).unwrap();
    for name in ["", "with space", "host:1234"] {
        let error = tls::client(tokio::io::duplex(1).0, name, Arc::clone(&config)).await;
        let error = error.unwrap_err();
        assert!(matches!(&error, TlsError::ServerName { name: said } if **said == *name));
        assert_eq!(error.to_string(), format!("{name:?} is not the name of a server"));
        let error = tls::connect("127.0.0.1:1", name, Arc::clone(&config)).await.unwrap_err();
        assert!(matches!(error, TlsError::ServerName { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said() {
    let config = tls::client_config(&Authority::new().trusted(), None).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = tls::connect(address, "localhost", config).await.unwrap_err();
    assert!(matches!(&error, TlsError::Connect(_)), "{error}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let server = no_clients(Authority::stranger().identity("localhost"));
    let client = tls::client_config(&Authority::new().trusted(), None).unwrap();
    let (client, server) = handshake(client, "localhost", server).await;
    assert_certificate(client, &CertificateError::UnknownIssuer);
    assert!(matches!(server, Err(TlsError::Handshake(Error::AlertReceived(_)))), "{server:?}");
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let authority = Authority::new();
    let server = no_clients(authority.identity("localhost"));
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (client, _) = handshake(client, "elsewhere.example", server).await;
    let error = client.unwrap_err();
    assert!(
        matches!(
            &error,
            TlsError::Handshake(Error::InvalidCertificate(
                CertificateError::NotValidForNameContext { .. }
            ))
        ),
        "{error:?}"
    );
}

/// `openssl req -x509` makes one of an authority.
#[tokio::test]
async fn the_certificate_of_an_authority_is_refused_in_words() {
    let authority = Authority::new();
    let mut params = params("localhost");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let server = no_clients(authority.sign(&params));
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (client, _) = handshake(client, "localhost", server).await;
    let said = client.unwrap_err().to_string();
    let expected = "the TLS handshake failed, since the certificate is that of an authority, not of a \
                    server or client";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let authority = Authority::new();
    let mut params = params("localhost");
    params.not_after = date_time_ymd(2020, 2, 29);
    let server = no_clients(authority.sign(&params));
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (client, _) = handshake(client, "localhost", server).await;
    assert!(
        matches!(
            client,
            Err(TlsError::Handshake(Error::InvalidCertificate(
                CertificateError::ExpiredContext { .. }
            )))
        ),
        "{client:?}"
    );
}

#[tokio::test]
async fn a_client_certificate_reaches_the_responders() {
    let authority = Authority::new();
    let server = authority.identity("localhost");
    for clients in [
        ClientCertificates::Required(authority.trusted()),
        ClientCertificates::Optional(authority.trusted()),
    ] {
        let server = tls::server_config(server.clone(), clients).unwrap();
        let identity = authority.identity("a client");
        let own = identity.clone().into_parts().chain.remove(0);
        let client = tls::client_config(&authority.trusted(), Some(identity)).unwrap();
        let (client, server) = handshake(client, "localhost", server).await;
        let server = server.unwrap().responders(who()).spawn();
        let client = client.unwrap().spawn();
        assert_eq!(server.get::<PeerCertificates>().unwrap().own(), &own);
        let who = client.call_by_name("Who", numbered(1)).await.unwrap();
        assert_eq!(who.get("certificates"), Some(&b"1"[..]));
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_served_where_that_is_optional() {
    let authority = Authority::new();
    let clients = ClientCertificates::Optional(authority.trusted());
    let server = tls::server_config(authority.identity("localhost"), clients).unwrap();
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (client, server) = handshake(client, "localhost", server).await;
    let server = server.unwrap().responders(who()).spawn();
    let client = client.unwrap().spawn();
    assert!(server.get::<PeerCertificates>().is_none());
    let who = client.call_by_name("Who", numbered(1)).await.unwrap();
    assert_eq!(who.get("certificates"), Some(&b"0"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_client_without_the_certificate_that_is_required_is_refused_and_told() {
    let authority = Authority::new();
    let clients = ClientCertificates::Required(authority.trusted());
    let server = tls::server_config(authority.identity("localhost"), clients).unwrap();
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (client, server) = handshake(client, "localhost", server).await;
    let error = server.unwrap_err();
    assert!(matches!(error, TlsError::Handshake(Error::NoCertificatesPresented)), "{error}");
    let reason = client.unwrap().spawn().closed().await;
    assert_alert(&reason, AlertDescription::CertificateRequired);
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused_and_told_even_while_it_sends() {
    let authority = Authority::new();
    let clients = ClientCertificates::Required(authority.trusted());
    let address = serve_tls(tls::server_config(authority.identity("localhost"), clients).unwrap());
    let address = address.await;
    let stranger = Authority::stranger().identity("a client");
    let config = tls::client_config(&authority.trusted(), Some(stranger)).unwrap();
    let peer = tls::connect(address, "localhost", config).await.unwrap().spawn();
    // What is sent here is never read, which must not reset the connection.
    let call = peer.call_by_name("Echo", [("n", "x".repeat(50_000))]).await;
    assert!(call.unwrap_err().is_closed());
    assert_alert(&peer.closed().await, AlertDescription::UnknownCA);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_ends_at_its_deadline() {
    let authority = Authority::new();
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let server = no_clients(authority.identity("localhost"));
    let (stream, _silent) = tokio::io::duplex(1 << 16);
    let before = tokio::time::Instant::now();
    let error = tls::client(stream, "localhost", client).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.to_string(), "no TLS connection within 10s");
    assert_eq!(before.elapsed(), Duration::from_secs(10), "of virtual time");
    let (stream, _silent) = tokio::io::duplex(1 << 16);
    let error = tls::server(stream, server).timeout(Duration::from_secs(3)).await.unwrap_err();
    assert!(matches!(error, TlsError::Timeout { after } if after == Duration::from_secs(3)));
    assert_eq!(before.elapsed(), Duration::from_secs(13), "of virtual time");
}

#[tokio::test]
async fn what_is_not_tls_is_an_error_on_both_sides() {
    let authority = Authority::new();
    let config = no_clients(authority.identity("localhost"));
    let (stream, mut other) = tokio::io::duplex(1 << 16);
    other.write_all(b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\0").await.unwrap();
    let server = tokio::spawn(tls::server(stream, config));
    let mut alert = Vec::new();
    other.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert[..1], [21], "an alert");
    // A socket that is closed with unread bytes in it may lose the alert, so they are read.
    other.write_all(b"\0\x04_ask\0\x012").await.unwrap();
    drop(other);
    let error = server.await.unwrap().unwrap_err();
    assert!(matches!(error, TlsError::Handshake(Error::InvalidMessage(_))), "{error}");

    let (stream, mut other) = tokio::io::duplex(1 << 16);
    other.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let config = tls::client_config(&authority.trusted(), None).unwrap();
    let error = tls::client(stream, "localhost", config).await.unwrap_err();
    assert!(matches!(error, TlsError::Handshake(Error::InvalidMessage(_))), "{error}");
}

#[tokio::test]
async fn a_stream_that_ends_in_the_handshake_is_an_error_on_both_sides() {
    let authority = Authority::new();
    let config = no_clients(authority.identity("localhost"));
    let (stream, other) = tokio::io::duplex(1 << 16);
    drop(other);
    let error = tls::server(stream, config).await.unwrap_err();
    assert!(matches!(error, TlsError::Io(_)), "{error}");
    let config = tls::client_config(&authority.trusted(), None).unwrap();
    let (stream, mut other) = tokio::io::duplex(1 << 16);
    other.shutdown().await.unwrap();
    let error = tls::client(stream, "localhost", config).await.unwrap_err();
    assert!(matches!(error, TlsError::Io(_)), "{error}");
}

#[tokio::test]
async fn a_client_that_stalls_holds_nobody_up() {
    let authority = Authority::new();
    let config = no_clients(authority.identity("localhost"));
    let (clients, streams) = mpsc::unbounded_channel();
    let mut listener = TlsListener::new(Streams(streams), config);
    let (stalled, stream) = tokio::io::duplex(1 << 16);
    clients.send(stream).unwrap();
    let (garbage, stream) = tokio::io::duplex(1 << 16);
    drop(garbage);
    clients.send(stream).unwrap();
    for _ in 0..3 {
        let (stream, other) = tokio::io::duplex(1 << 16);
        clients.send(other).unwrap();
        let config = tls::client_config(&authority.trusted(), None).unwrap();
        let client = tokio::spawn(tls::client(stream, "localhost", config));
        let server = listener.accept().await.unwrap().responders(echoing()).spawn();
        let client = client.await.unwrap().unwrap().spawn();
        assert_eq!(server.peer_address(), &PeerAddress::Name("memory".into()));
        client.call_by_name("Echo", numbered(1)).await.unwrap();
    }
    drop(stalled);
}

#[tokio::test(start_paused = true)]
async fn handshakes_under_way_are_bounded_in_number_and_time() {
    let authority = Authority::new();
    let config = no_clients(authority.identity("localhost"));
    let (clients, streams) = mpsc::unbounded_channel();
    let listener = TlsListener::new(Streams(streams), config);
    let mut listener = listener.max_handshakes(2).handshake_timeout(Duration::from_secs(5));
    let mut stalled = Vec::new();
    for _ in 0..3 {
        let (client, stream) = tokio::io::duplex(1 << 16);
        clients.send(stream).unwrap();
        stalled.push(client);
    }
    let before = tokio::time::Instant::now();
    // The first two are given up after 5 seconds, and only then is the third accepted.
    let accepting = tokio::spawn(async move { listener.accept().await.map(drop) });
    for client in &mut stalled {
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
    assert_eq!(before.elapsed(), Duration::from_secs(10), "of virtual time");
    accepting.abort();
}

#[tokio::test]
async fn large_boxes_go_both_ways_at_once_through_little_room() {
    let authority = Authority::new();
    let server = no_clients(authority.identity("localhost"));
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (near, far) = tokio::io::duplex(500);
    let server = tokio::spawn(tls::server(far, server));
    let client = tls::client(near, "localhost", client).await.unwrap();
    let client = client.responders(echoing()).spawn();
    let server = server.await.unwrap().unwrap().responders(echoing()).spawn();
    let calls = [&client, &server].map(|peer| {
        let calls = (0..3).map(|n: u8| {
            let peer = peer.clone();
            tokio::spawn(async move {
                let value = vec![n; 65_000];
                let pairs = (0..5).map(|key| (format!("key{key}"), value.clone()));
                let pairs: Vec<_> = pairs.collect();
                let answer = peer.call_by_name("Echo", pairs.clone()).await.unwrap();
                assert_eq!(answer, AmpBox::from_pairs(pairs).unwrap());
            })
        });
        calls.collect::<Vec<_>>()
    });
    for call in calls.into_iter().flatten() {
        call.await.unwrap();
    }
}

/// Its end is behind more calls than are read ahead.
#[tokio::test]
async fn a_client_that_goes_is_noticed_behind_what_is_not_read() {
    let authority = Authority::new();
    let config = no_clients(authority.identity("localhost"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, mut peers) = mpsc::unbounded_channel();
    let limits = Limits::default().running_responders(1);
    let server = serve_with(TlsListener::new(listener, config), move |connection| {
        let endless = |_| std::future::pending::<Result<AmpBox, RemoteError>>();
        let responders = Responders::new(()).respond_by_name("Wait", endless);
        connection.limits(limits).responders(responders)
    });
    tokio::spawn(server.on_connect(move |peer| accepted.send(peer).unwrap()));
    let config = tls::client_config(&authority.trusted(), None).unwrap();
    let client = tls::connect(address, "localhost", config).await.unwrap().spawn();
    for n in 0..3000 {
        client.notify_by_name("Wait", numbered(n)).await.unwrap();
    }
    let there = peers.recv().await.unwrap();
    tokio::join!(client.close(), there.closed());
    // All of it is read then, and waits.
    assert_eq!(there.counters().calls_received, 3000);
    assert!(there.running_responders() < 3000);
}

#[tokio::test]
async fn closing_ends_tls_properly() {
    let (client, server) = connected().await;
    client.close().await;
    assert!(matches!(server.closed().await, CloseReason::Peer));
    let (client, server) = connected().await;
    server.close().await;
    assert!(matches!(client.closed().await, CloseReason::Peer));
}

#[tokio::test]
async fn an_end_without_close_notify_is_not_taken_for_a_proper_one() {
    let authority = Authority::new();
    let server = no_clients(authority.identity("localhost"));
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (near, relay) = tokio::io::duplex(1 << 16);
    let (far, other_relay) = tokio::io::duplex(1 << 16);
    let relaying = tokio::spawn(async move {
        let (mut relay, mut other_relay) = (relay, other_relay);
        let _ = tokio::io::copy_bidirectional(&mut relay, &mut other_relay).await;
    });
    let server = tokio::spawn(tls::server(far, server));
    let client = tls::client(near, "localhost", client).await.unwrap().spawn();
    let server = server.await.unwrap().unwrap().responders(echoing()).spawn();
    client.call_by_name("Echo", numbered(1)).await.unwrap();
    relaying.abort();
    for peer in [client, server] {
        let reason = peer.closed().await;
        let CloseReason::Io(error) = &reason else { panic!("{reason:?}") };
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
    }
}

#[tokio::test]
async fn any_name_will_do_if_that_is_asked_for_but_not_any_authority() {
    let authority = Authority::new();
    let server = no_clients(authority.identity("localhost"));
    let config = dangerous::client_config_any_name(&authority.trusted(), None).unwrap();
    let (client, _) = handshake(config, "elsewhere.example", Arc::clone(&server)).await;
    drop(client.unwrap());
    let config = dangerous::client_config_any_name(&Authority::stranger().trusted(), None).unwrap();
    let (client, _) = handshake(config, "localhost", Arc::clone(&server)).await;
    assert_certificate(client, &CertificateError::UnknownIssuer);
    let config = dangerous::client_config_any_server(None).unwrap();
    let (client, _) = handshake(config, "elsewhere.example", server).await;
    drop(client.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_its_own_authority_will_do_while_it_is_valid() {
    let mut valid = params("itself");
    valid.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut expired = valid.clone();
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut too_early = valid.clone();
    too_early.not_before = date_time_ymd(2060, 1, 1);
    for (params, good) in [(&valid, true), (&expired, false), (&too_early, false)] {
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let itself = Authorities::from_pem(&pem).unwrap();
        let identity = Identity::from_pem(pem + &key.serialize_pem()).unwrap();
        let clients = ClientCertificates::Required(itself.clone());
        let authority = Authority::new();

        let config = dangerous::client_config_any_name(&itself, None).unwrap();
        let server = no_clients(identity.clone());
        let (client, _) = handshake(config, "elsewhere.example", server).await;
        assert_eq!(client.is_ok(), good, "a server's: {client:?}");

        let server = tls::server_config(authority.identity("localhost"), clients).unwrap();
        let config = tls::client_config(&authority.trusted(), Some(identity)).unwrap();
        let (_, server) = handshake(config, "localhost", server).await;
        assert_eq!(server.is_ok(), good, "a client's: {server:?}");
    }
}

/// A server that has a certificate but not its key is refused, even where any certificate will do.
#[tokio::test]
async fn a_server_without_the_key_of_its_certificate_is_refused() {
    let authority = Authority::new();
    let IdentityParts { chain, key: own_key, .. } = authority.identity("localhost").into_parts();
    let other_key = authority.identity("localhost").into_parts().key;
    for (key, good) in [(own_key, true), (other_key, false)] {
        for version in [&version::TLS12, &version::TLS13] {
            let server = with_any_key(chain.clone(), key.clone_key(), version);
            for config in [
                dangerous::client_config_any_server(None).unwrap(),
                dangerous::client_config_any_name(&authority.trusted(), None).unwrap(),
                tls::client_config(&authority.trusted(), None).unwrap(),
            ] {
                let (client, _) = handshake(config, "localhost", Arc::clone(&server)).await;
                if good {
                    drop(client.unwrap());
                } else {
                    assert_certificate(client, &CertificateError::BadSignature);
                }
            }
        }
    }
}

/// A client too.
#[tokio::test(start_paused = true)]
async fn a_client_without_the_key_of_its_certificate_is_refused() {
    let authority = Authority::new();
    let clients = ClientCertificates::Required(authority.trusted());
    let server = tls::server_config(authority.identity("localhost"), clients).unwrap();
    let IdentityParts { chain, key: own_key, .. } = authority.identity("a client").into_parts();
    let other_key = authority.identity("a client").into_parts().key;
    for (key, good) in [(own_key, true), (other_key, false)] {
        for version in [&version::TLS12, &version::TLS13] {
            let resolver = SingleCertAndKey::from(certified(chain.clone(), key.clone_key()));
            let client = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(Arc::clone(authority.trusted().roots()))
                .with_client_cert_resolver(Arc::new(resolver));
            let (_client, accepted) =
                handshake(Arc::new(client), "localhost", Arc::clone(&server)).await;
            if good {
                drop(accepted.unwrap());
            } else {
                assert_certificate(accepted, &CertificateError::BadSignature);
            }
        }
    }
}
