//! What was acknowledged is there after SIGKILL, once.
//!
//! The test binary runs itself as a child that writes and reports each acknowledgement on its standard output; the
//! parent kills it at some moment, opens what is left, and compares.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, IdSource, RequestId, SystemClock, TimeOrderedIds};
use store::{BeginTurn, MessageStatus, Order, Page, Store, Target};
use tokio::time::Instant;

use crate::support::{agent, anna, completed, content, new, open_path, row, spawn, text};

const CHILD: &str = "crash::child_that_writes_until_it_is_killed";
/// Tells the child that it is one, and where to write.
const DIRECTORY: &str = "STORE_CRASH_TEST_DIRECTORY";

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_there_twice_after_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let mut settled = Vec::new();
    let mut answered: HashMap<ConversationId, Vec<String>> = HashMap::new();
    for round in 0..8 {
        let mut child = start(dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (count, line) in lines.map_while(Result::ok).enumerate() {
            // Goes on reading to the end: what was in the pipe was acknowledged too.
            if count == 20 + 37 * round {
                child.kill().unwrap();
            }
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["settled", id] => settled.push(id.parse::<RequestId>().unwrap()),
                ["answered", id, number] => {
                    answered.entry(id.parse().unwrap()).or_default().push((*number).to_owned());
                }
                // The harness's own lines, and one that was cut by the kill.
                _ => {}
            }
        }
        child.wait().unwrap();
        verify(dir.path(), &settled, &answered).await;
    }
    assert!(settled.len() > 100 && answered.len() > 8, "the child did write");
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn verify(directory: &Path, settled: &[RequestId], answered: &HashMap<ConversationId, Vec<String>>) {
    let clock = Arc::new(SystemClock::default());
    let ids = Arc::new(TimeOrderedIds::new(clock.clone()));
    let (store, writer) = open_path(directory, clock, ids).await;
    let writer = spawn(writer.run());
    for request in settled {
        let rows = store.attempts(&anna().tenant, *request).await.unwrap();
        assert_eq!(rows, [row(&anna(), *request, 1)]);
    }
    for (id, numbers) in answered {
        let page = Page { limit: 100, order: Order::Ascending, ..Page::default() };
        let items = store.items(&anna(), *id, page).await.unwrap().data;
        let mut expected = Vec::new();
        for number in numbers {
            expected.extend([format!("question {number}"), format!("answer {number}")]);
        }
        let texts: Vec<_> = items.iter().map(text).collect();
        // Then at most the turn that the kill cut: written and not acknowledged, or failed.
        assert_eq!(texts[..expected.len()], expected);
        match &items[expected.len()..] {
            [] => {}
            [question] => assert_eq!(question.status, MessageStatus::Failed),
            [question, answer] => {
                assert_eq!(
                    (question.status, answer.status),
                    (MessageStatus::Completed, MessageStatus::Completed)
                );
            }
            more => panic!("{more:?}"),
        }
    }
    store.close().await;
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test above, as a child"]
#[expect(clippy::disallowed_methods, reason = "how the parent tells the child")]
async fn child_that_writes_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let clock = Arc::new(SystemClock::default());
    let ids = Arc::new(TimeOrderedIds::new(clock.clone()));
    let (store, writer) = open_path(Path::new(&directory), clock, ids.clone()).await;
    let mut tasks = vec![spawn(writer.run())];
    for _ in 0..4 {
        tasks.push(spawn(settle_for_ever(store.clone(), ids.clone())));
        tasks.push(spawn(talk_for_ever(store.clone(), ids.clone())));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn settle_for_ever(store: Store, ids: Arc<dyn IdSource>) {
    loop {
        let request = ids.request();
        store.settle(row(&anna(), request, 1)).await.unwrap();
        acknowledge(&format!("settled {request}"));
    }
}

/// Five turns in each conversation.
async fn talk_for_ever(store: Store, ids: Arc<dyn IdSource>) {
    let mut conversation = new();
    for number in 0.. {
        let begin = BeginTurn {
            owner: anna(),
            conversation,
            agent: agent("support"),
            request: ids.request(),
            content: content(&format!("question {number}")),
            wait_until: Instant::now() + Duration::from_secs(60),
            history_limit: 20,
        };
        let turn = store.begin_turn(begin).await.unwrap();
        let id = turn.conversation;
        let answer = completed(&format!("answer {number}"));
        let request = ids.request();
        store.finish_turn(turn.lease, answer, vec![row(&anna(), request, 1)]).await.unwrap();
        acknowledge(&format!("answered {id} {number}"));
        acknowledge(&format!("settled {request}"));
        conversation = if number % 5 == 4 { new() } else { Target::Existing(id) };
    }
}

/// In one write, so that a kill cuts no line in two.
fn acknowledge(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}
