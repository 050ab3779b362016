//! What peers that mean no good can have of a server, over real sockets.

use amp_tests::bounds;

#[tokio::test]
async fn few_wrong_passwords_are_looked_at() {
    assert_eq!(bounds::passwords_looked_at(2000).await.unwrap(), 5);
}

#[tokio::test]
async fn all_unfinished_boxes_together_are_held_to_the_limit_of_the_server() {
    const MAX: usize = 4 << 20;
    let held = bounds::unfinished_bytes(MAX, 20, 600 << 10).await.unwrap();
    assert!((600 << 10..=MAX).contains(&held), "{held} bytes");
}

#[tokio::test]
async fn a_peer_that_has_made_a_mistake_is_not_read_from_for_long() {
    let taken = bounds::bytes_taken_after_a_mistake().await.unwrap();
    assert!(taken < 64 << 20, "{taken} bytes");
}
