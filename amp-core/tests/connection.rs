//! Connections in memory: who gets which answer, and what happens when something is in the way.

use amp_core::testing::pair;
use amp_core::{AmpBox, RemoteError, Responders, StringCallReceived};

async fn echo(call: StringCallReceived) -> Result<AmpBox, RemoteError> {
    Ok(call.arguments)
}

#[tokio::test]
async fn raw_calls_go_both_ways() {
    let echoing = || Responders::new(()).respond_string("Echo", echo);
    let (near, far) = pair(echoing(), echoing());
    for peer in [&near, &far] {
        let answer = peer.call_remote_string("Echo", [("a", "1"), ("b", "2")]).await.unwrap();
        assert_eq!(answer, AmpBox::from_pairs([("a", "1"), ("b", "2")]).unwrap());
        let error = peer.call_remote_string("Nope", [("a", "1")]).await.unwrap_err();
        assert!(error.is_unhandled(), "{error}");
    }
    near.close().await;
    let error = far.call_remote_string("Echo", [("a", "1")]).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
}
