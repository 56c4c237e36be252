//! The ledger: every attempt once, in groups.

use domain::IdSource;
use store::LedgerRow;

use crate::support::{anna, open, owner, row, spawn};

#[tokio::test]
async fn a_settled_attempt_comes_back_with_every_column() {
    let opened = open().await;
    let request = opened.ids.request();
    let full = row(&anna(), request, 2);
    let bare = LedgerRow {
        owner: store::Owner { key: None, ..anna() },
        agent: None,
        provider: None,
        upstream_model: None,
        tags: None,
        cost: None,
        price_version: None,
        client_request_id: None,
        code: None,
        time_to_first_token: None,
        conversation: None,
        ..row(&anna(), request, 1)
    };
    opened.store.settle(full.clone()).await.unwrap();
    opened.store.settle(bare.clone()).await.unwrap();
    assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap(), [bare, full]);
}

#[tokio::test]
async fn an_attempt_settled_twice_is_one_row_and_the_first_one_stays() {
    let opened = open().await;
    let first = row(&anna(), opened.ids.request(), 1);
    opened.store.settle(first.clone()).await.unwrap();
    let again = LedgerRow { model: "another".into(), ..first.clone() };
    opened.store.settle(again.clone()).await.unwrap();
    opened.store.slot().unwrap().settle(vec![again.clone(), again]).await.unwrap();
    assert_eq!(opened.store.attempts(&anna().tenant, first.attempt.request).await.unwrap(), [first]);
}

#[tokio::test]
async fn one_request_id_under_two_tenants_is_two_requests() {
    let opened = open().await;
    let (request, other) = (opened.ids.request(), owner("other", "anna"));
    opened.store.settle(row(&anna(), request, 1)).await.unwrap();
    opened.store.settle(row(&other, request, 1)).await.unwrap();
    assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap(), [row(&anna(), request, 1)]);
    assert_eq!(opened.store.attempts(&other.tenant, request).await.unwrap(), [row(&other, request, 1)]);
}

/// Every way to cut a number of rows into statements.
#[tokio::test]
async fn any_number_of_rows_is_written_whole() {
    let opened = open().await;
    for count in [0, 1, 2, 7, 8, 9, 31, 32, 33, 41, 77] {
        let request = opened.ids.request();
        let rows: Vec<LedgerRow> = (1..=count).map(|number| row(&anna(), request, number)).collect();
        opened.store.slot().unwrap().settle(rows.clone()).await.unwrap();
        assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap(), rows);
    }
}

#[tokio::test]
async fn rows_that_wait_together_are_committed_together() {
    let opened = open().await;
    let rows: Vec<LedgerRow> = (0..256).map(|_| row(&anna(), opened.ids.request(), 1)).collect();
    // None of these is polled before all of them are queued.
    let slots: Vec<_> = rows.iter().map(|_| opened.store.slot().unwrap()).collect();
    let before = opened.store.stats();
    for (slot, row) in slots.into_iter().zip(&rows) {
        slot.post(vec![row.clone()]);
    }
    opened.store.ping().await.unwrap();
    let after = opened.store.stats();
    assert_eq!(after.ledger_rows - before.ledger_rows, 256);
    assert!(after.groups - before.groups <= 2, "{after:?}");
    assert_eq!(after.queued, 0);
    for row in rows {
        assert_eq!(opened.store.attempts(&anna().tenant, row.attempt.request).await.unwrap(), [row]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_settlements_need_far_fewer_commits_than_rows() {
    let opened = open().await;
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let (store, ids) = (opened.store.clone(), opened.ids.clone());
            spawn(async move {
                for _ in 0..20 {
                    store.settle(row(&anna(), ids.request(), 1)).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let stats = opened.store.stats();
    assert_eq!(stats.ledger_rows, 1280);
    assert!(stats.groups * 4 < stats.ledger_rows, "{stats:?}");
}

#[tokio::test]
async fn slots_run_out_before_the_queue_does() {
    let opened = open().await;
    let mut slots = Vec::new();
    let refused = loop {
        match opened.store.slot() {
            Ok(slot) => slots.push(slot),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, store::Error::Overloaded);
    assert!(slots.len() > 10_000);
    opened.store.settle(row(&anna(), opened.ids.request(), 1)).await.unwrap();
    drop(slots);
    assert!(opened.store.slot().is_ok());
}
