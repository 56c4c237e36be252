//! What the server does when its data directory cannot be used. A full disk is shown beside the store's writer.

use std::fs;

use serde_json::json;
use testkit::openai;
use testkit::upstream::Answer;

use crate::support::{chat, config, get, log, plan, post, started, until};

/// Nobody is called and paid for what cannot be written down.
#[tokio::test]
async fn while_the_data_directory_is_gone_nothing_is_begun() {
    let (mut server, upstream) = started().await;
    upstream.otherwise(Answer::json(&openai::completion("fine")));
    let (data, aside) = (server.dir().join("data"), server.dir().join("aside"));
    fs::rename(&data, &aside).unwrap();
    until("the loss to be noticed", async || get(&server, "/ready").await.status == 503).await;
    assert_eq!(
        get(&server, "/ready").await.json(),
        json!({ "status": "not ready", "reason": "state store unavailable" })
    );

    for (path, body) in [
        ("/v1/chat/completions", chat("first/small", "hi")),
        ("/v1/agents/support/query", json!({ "message": "hi" })),
    ] {
        let refused = post(&server, path, &body).await;
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("storage_unavailable")));
    }
    assert_eq!(upstream.count(), 0);

    fs::rename(&aside, &data).unwrap();
    until("the return to be noticed", async || get(&server, "/ready").await.status == 200).await;
    assert_eq!(post(&server, "/v1/chat/completions", &chat("first/small", "hi")).await.status, 200);
    assert_eq!(upstream.count(), 1);

    assert!(server.terminate().await.success());
    let errors: Vec<_> = log(&server).into_iter().filter(|line| line["level"] == "ERROR").collect();
    let told = |text: &str| errors.iter().filter(|line| line.to_string().contains(text)).count();
    assert_eq!(told("a file of the database was deleted or replaced"), 1, "{errors:#?}");
    assert_eq!(told("the storage takes writes again"), 1, "{errors:#?}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_named_with_its_cause_once() {
    let upstream = testkit::upstream::Upstream::start().await;
    let ended = plan(config(&upstream, &upstream)).env("PARAPET_DATA_DIR", "/dev/null/data").run().await;
    assert!(!ended.status.success());
    assert!(
        ended.stderr.contains("/dev/null/data") && ended.stderr.contains("storage.data_dir"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stderr.matches("Not a directory").count(), 1, "{}", ended.stderr);
}
