//! The audit log: what happened is in it, and nothing that did not.

use std::task::Poll;

use domain::IdSource;
use store::Error;

use crate::files::shell;
use crate::support::{Opened, anna, new, open, owner};

#[tokio::test]
async fn entries_are_numbered_within_their_tenant() {
    let opened = open().await;
    for (tenant, action) in [("acme", "config.reload"), ("other", "config.reload"), ("acme", "key.revoke")] {
        let entry = opened.entry(&owner(tenant, "root"), action, "config");
        opened.store.audit(entry).await.unwrap();
    }
    let expected = [("acme", 1, "config.reload"), ("acme", 2, "key.revoke"), ("other", 1, "config.reload")];
    let expected = expected.map(|(tenant, number, action)| line(tenant, number, action, "config"));
    assert_eq!(audited(opened).await, expected);
}

#[tokio::test]
async fn a_deletion_is_audited_and_one_that_is_refused_is_not() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    for stranger in [owner("other", "anna"), owner("acme", "bert")] {
        assert_eq!(opened.delete(&stranger, id).await, Err(Error::NotFound));
    }
    assert_eq!(opened.delete(&anna(), opened.ids.conversation()).await, Err(Error::NotFound));
    assert_eq!(opened.delete(&anna(), id).await, Ok(()));
    assert_eq!(opened.delete(&anna(), id).await, Err(Error::NotFound), "the second time");
    assert_eq!(audited(opened).await, [line("acme", 1, "conversation.delete", &id.to_string())]);
}

/// However far the future had come, the conversation is gone exactly if the log says so.
#[tokio::test]
async fn a_deletion_whose_caller_goes_away_is_audited_all_the_same() {
    let opened = open().await;
    let anna = anna();
    let mut deleted = Vec::new();
    for polls in 0..4 {
        let id = opened.say(&anna, new(), "1", "2").await;
        let mut delete = Box::pin(opened.delete(&anna, id));
        for _ in 0..polls {
            let once = std::future::poll_fn(|context| Poll::Ready(delete.as_mut().poll(context).is_ready()));
            if once.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(delete);
        opened.store.ping().await.unwrap();
        if opened.store.conversation(&anna, id).await.err() == Some(Error::NotFound) {
            deleted.push(id.to_string());
        }
    }
    assert_eq!(deleted.len(), 3, "handed over by the first poll");
    let lines: Vec<_> =
        (1..).zip(&deleted).map(|(number, id)| line("acme", number, "conversation.delete", id)).collect();
    assert_eq!(audited(opened).await, lines);
}

type Line = (String, i64, String, String);

fn line(tenant: &str, sequence: i64, action: &str, object: &str) -> Line {
    (tenant.to_owned(), sequence, action.to_owned(), object.to_owned())
}

async fn audited(opened: Opened) -> Vec<Line> {
    let path = opened.data_dir().join("parapet.db");
    let _dir = opened.close().await;
    let mut connection = shell(&path).await;
    sqlx::query_as("SELECT tenant_id, sequence, action, object FROM audit ORDER BY tenant_id, sequence")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}
