//! Mutual challenge and response over HMAC-SHA256, with the command of MAAS, `Authenticate`.
//!
//! Both sides share a secret, and neither sends it. Each side sends 16 random bytes, its challenge. The other side adds
//! 16 random bytes of its own, the salt, and answers with the HMAC of both. Only somebody who knows the secret can compute
//! it. And nobody can use it again, since no challenge comes twice.
//!
//! Until both have proved themselves, `Authenticate` is the only command. Any other is `UNHANDLED`. Then the responders are
//! replaced.
//!
//! An impostor could try to let one side make a proof that it then uses itself. So
//!
//! - the server proves itself second, and only to a client that has proved itself;
//! - no side answers a challenge of its own process, which an impostor could send back;
//! - challenges and salts have exactly 16 bytes each, so that no part of one can be taken for a part of the other.
//!
//! This does not help against somebody in between who passes everything on. Only TLS does.
//!
//! The feature `login` of amp-core is for servers whose clients log in by a call, with several attempts. Here each side
//! calls the other only once. A wrong proof ends the connection, and there is one deadline for both proofs. So there are no
//! attempts to count.

use amp_core::{
    Arguments, CallError, Command, CommandError, Connection, Context, Peer, Responders,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Asks the peer to prove that it knows the secret.
#[derive(Command)]
#[amp(response = Proof, error = AuthenticateError)]
pub(crate) struct Authenticate {
    pub(crate) message: [u8; 16],
}

/// What only those can make who know the secret.
#[derive(Arguments)]
pub(crate) struct Proof {
    pub(crate) digest: [u8; 32],
    pub(crate) salt: [u8; 16],
}

#[derive(CommandError, Debug, thiserror::Error)]
pub(crate) enum AuthenticateError {
    #[error("refused")]
    Refused,
}

/// Why there was no login. The connection is closed then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("the peer does not know the secret")]
    WrongSecret,
    #[error("no login within {0:?}")]
    Timeout(Duration),
    #[error("no login")]
    Call(#[from] CallError<AuthenticateError>),
    #[error(transparent)]
    CameBeforeTls(#[from] amp_core::CameBeforeTls),
    #[error("there are no random numbers")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    ResponderClash(#[from] amp_core::ResponderClash),
}

/// Which side of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It proves itself to whomever it has connected to.
    Connecting,
    /// It proves itself to those who have proved themselves.
    Listening,
}

/// What both sides know. One for each process, shared by its connections.
pub(crate) struct Secret {
    key: Vec<u8>,
    /// The challenges of this process that wait for their answers.
    challenges: Mutex<HashSet<[u8; 16]>>,
}

/// Makes a connection on which both sides have proved themselves, within `deadline`. From then on
/// this side answers with `responders`.
///
/// The connecting side should be the first to call: the other cannot know when its own proof has
/// been seen.
///
/// # Cancel safety
///
/// Dropping the future leaves the connection without a login, to be closed by its peer.
pub(crate) async fn log_in<S: Send + Sync + 'static>(
    connection: Connection,
    side: Side,
    secret: &Arc<Secret>,
    deadline: Duration,
    responders: Responders<S>,
) -> Result<Peer, LoginError> {
    let (may_prove, _) = watch::channel(side == Side::Connecting);
    let (proved, _) = watch::channel(false);
    let login = Login {
        secret: Arc::clone(secret),
        may_prove: may_prove.subscribe(),
        proved,
        asked: AtomicBool::new(false),
    };
    let mut has_proved = login.proved.subscribe();

    let before = Responders::new(login).respond_then(prove);
    // The peer may ask for the proof only after it has been let in.
    let after = before.clone().merge(responders)?;
    let peer = connection.responders(before).spawn();

    let both = async {
        let challenge = Challenge::new(secret)?;
        let proof = peer.call_remote(Authenticate { message: challenge.message }).await?;
        if !secret.verify(challenge.message, &proof) {
            return Err(LoginError::WrongSecret);
        }
        peer.replace_responders(after)?;
        may_prove.send_replace(true);
        tokio::select! {
            // It fails only when the connection is gone.
            _ = has_proved.wait_for(|proved| *proved) => Ok(()),
            reason = peer.closed() => Err(CallError::Closed(reason).into()),
        }
    };
    match timeout(deadline, both).await.unwrap_or(Err(LoginError::Timeout(deadline))) {
        Ok(()) => Ok(peer),
        Err(error) => {
            peer.close().await;
            Err(error)
        }
    }
}

/// What the responder of [`Authenticate`] needs, on one connection.
struct Login {
    secret: Arc<Secret>,
    may_prove: watch::Receiver<bool>,
    proved: watch::Sender<bool>,
    /// Whether a call waits until this side may prove itself. One does at most: this side waits for
    /// an answer too, reads on because of that, and would keep any number.
    asked: AtomicBool,
}

/// Answers with the proof, and tells once that is on its way.
async fn prove(
    context: Context<Login>,
    Authenticate { message }: Authenticate,
) -> Result<(Proof, impl Future<Output = ()> + Send), AuthenticateError> {
    let mut may_prove = context.state().may_prove.clone();
    if !*may_prove.borrow() && context.state().asked.swap(true, Ordering::Relaxed) {
        return Err(AuthenticateError::Refused);
    }
    // It fails when the login has.
    may_prove.wait_for(|may| *may).await.map_err(|_| AuthenticateError::Refused)?;
    let proof = context.state().secret.prove(message).ok_or(AuthenticateError::Refused)?;
    let on_its_way = async move {
        context.state().proved.send_replace(true);
    };
    Ok((proof, on_its_way))
}

impl Secret {
    pub(crate) fn new(key: impl Into<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { key: key.into(), challenges: Mutex::default() })
    }

    /// The proof for a challenge of somebody else's.
    fn prove(&self, message: [u8; 16]) -> Option<Proof> {
        if self.challenges.lock().unwrap_or_else(PoisonError::into_inner).contains(&message) {
            return None;
        }
        let salt = random().ok()?;
        Some(Proof { digest: self.mac(message, salt).finalize().into_bytes().into(), salt })
    }

    /// Whether the proof is right. The time that it takes does not tell how much of it is.
    fn verify(&self, message: [u8; 16], proof: &Proof) -> bool {
        self.mac(message, proof.salt).verify_slice(&proof.digest).is_ok()
    }

    fn mac(&self, message: [u8; 16], salt: [u8; 16]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key has any length");
        mac.chain_update(message).chain_update(salt)
    }
}

/// A challenge that waits for its answer.
struct Challenge<'a> {
    message: [u8; 16],
    secret: &'a Secret,
}

impl<'a> Challenge<'a> {
    fn new(secret: &'a Secret) -> Result<Self, getrandom::Error> {
        let message = random()?;
        secret.challenges.lock().unwrap_or_else(PoisonError::into_inner).insert(message);
        Ok(Self { message, secret })
    }
}

impl Drop for Challenge<'_> {
    fn drop(&mut self) {
        let challenges = &self.secret.challenges;
        challenges.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.message);
    }
}

fn random() -> Result<[u8; 16], getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
