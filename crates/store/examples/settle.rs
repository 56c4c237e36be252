#![allow(warnings, clippy::all, clippy::unwrap_used)]
use domain::*;
use parapet_store as store;
use std::sync::Arc;
use std::time::Duration;
use store::*;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/schedstat");
    let mut total = 0u64;
    for t in std::fs::read_dir("/proc/self/task").unwrap() {
        let s = std::fs::read_to_string(t.unwrap().path().join("schedstat")).unwrap_or_default();
        total += s.split(' ').next().unwrap_or("0").parse::<u64>().unwrap_or(0);
    }
    total as f64 / 1e3
}
fn row(ids: &TimeOrderedIds<SystemClock>, o: &Owner) -> LedgerRow {
    LedgerRow {
        attempt: AttemptId { request: ids.request(), number: 1 },
        owner: o.clone(),
        agent: Some(AgentName::new("support").unwrap()),
        model: "support".into(),
        provider: Some(ProviderName::new("openai").unwrap()),
        upstream_model: Some("gpt-4o-mini".into()),
        tags: None,
        usage: Usage { input: 123, output: 456, ..Default::default() },
        cost: Some(NanoUsd(21000)),
        price_version: Some("2026-11-01".into()),
        config_hash: "abcdef0123456789".into(),
        release: "1.0.0".into(),
        client_request_id: None,
        outcome: Outcome::Ok,
        code: None,
        started_at: UnixMillis(1),
        duration: Duration::from_millis(12),
        time_to_first_token: None,
        conversation: None,
    }
}
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    for durability in [Durability::Full, Durability::Relaxed] {
        for concurrency in [1usize, 16, 64, 256] {
            let dir = tempfile::tempdir_in(std::env::args().nth(1).unwrap_or("/tmp".into())).unwrap();
            let ids = Arc::new(TimeOrderedIds::new(SystemClock::default()));
            let (store, writer) = Store::open(Options {
                data_dir: dir.path().into(),
                durability,
                clock: Arc::new(SystemClock::default()),
                ids: ids.clone(),
            })
            .await
            .unwrap();
            let w = tokio::spawn(writer.run());
            let o = Owner {
                tenant: TenantId::new("default").unwrap(),
                user: UserId::new("user-1").unwrap(),
                key: Some(KeyId::new("key-1").unwrap()),
            };
            let n = if concurrency == 1 { 3000 } else { 40000 };
            let per = n / concurrency;
            for warm in [true, false] {
                let (t, c) = (std::time::Instant::now(), cpu());
                let before = store.stats();
                let tasks: Vec<_> = (0..concurrency)
                    .map(|_| {
                        let (s, i, o) = (store.clone(), ids.clone(), o.clone());
                        tokio::spawn(async move {
                            for _ in 0..(if warm { 20 } else { per }) {
                                s.settle(row(&i, &o)).await.unwrap();
                            }
                        })
                    })
                    .collect();
                for t in tasks {
                    t.await.unwrap();
                }
                let rows = (per * concurrency) as f64;
                let g = store.stats().groups - before.groups;
                if !warm {
                    println!(
                        "{durability:?} c={concurrency}: {:.0} rows/s, {:.1} us cpu/row, {:.1} rows/group, {:.0} us/group",
                        rows / t.elapsed().as_secs_f64(),
                        (cpu() - c) / rows,
                        rows / g as f64,
                        t.elapsed().as_secs_f64() * 1e6 / g as f64
                    );
                }
            }
            // the harness alone
            let c = cpu();
            for _ in 0..10000 {
                std::hint::black_box(row(&ids, &o));
            }
            let own = (cpu() - c) / 10000.0;
            if concurrency == 1 {
                println!("(row construction {own:.2} us)");
            }
            store.close().await;
            w.await.unwrap();
        }
    }
}
