//! A request arrives unharmed, and so does its answer.

use crate::support::{Org, Proxy};

#[tokio::test]
async fn a_plain_request_gets_the_orgs_answer() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let answer = proxy.get("/services/data/v62.0/limits").await;
    assert_eq!(answer.status(), 200);
    let seen = org.last_request();
    assert!(seen.authorized);
    assert_eq!(seen.target, "/services/data/v62.0/limits");
}
